// The worker with Python, from the page's side. It starts again after Stop, which ends it at once, even in an endless loop.
export class Python {
  // `tell` gets each message of the worker.
  constructor(tell) {
    this.tell = tell;
    this.run_ = 0; // number of the run whose messages count
    this.start();
  }

  start() {
    this.ready = false;
    this.busy = false;
    // A worker made from a blob has the policy of the page; one from a file would have none.
    const source = `import ${JSON.stringify(new URL("worker.js", location.href).href)};`;
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const worker = this.worker = new Worker(address, { type: "module" });
    worker.onmessage = ({ data }) => {
      URL.revokeObjectURL(address);
      if (worker === this.worker) this.receive(data);
    };
    worker.onerror = error => { if (worker === this.worker) this.tell({ type: "died", reason: error.message ?? "" }); };
  }

  receive(message) {
    if (message.type === "ready") this.ready = true;
    if (message.run !== undefined && message.run !== this.run_) return; // of a run that was stopped
    if (message.type === "done") this.busy = false;
    this.tell(message);
  }

  // Runs a program; the worker does it as soon as it is ready.
  run(code, values, language) {
    this.busy = true;
    this.run_ += 1;
    this.worker.postMessage({ run: this.run_, code, values, language });
  }

  stop() {
    this.worker.terminate();
    this.run_ += 1;
    this.start();
  }
}
