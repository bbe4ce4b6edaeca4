// Every text of the page in its languages. A function gets what the text is about.
const WORDS = {
  en: {
    title: "autograd_mini playground",
    playground: "playground",
    skip: "To the output",
    example: "Example",
    run: "Run",
    runKeys: "Run (Ctrl+Enter)",
    stop: "Stop",
    share: "Share",
    program: "Program",
    output: "Output",
    link: "Link to this program",
    hint: "Ctrl+Enter runs the program. Tab indents; press Esc, then Tab, to leave the editor.",
    other: "日本語",
    editor: "Python program",
    loading: what => `Loading ${what} …`,
    python: "Python",
    ready: "Ready.",
    waiting: "Loading Python; your program runs as soon as it is ready …",
    running: "Running …",
    done: seconds => `Done in ${seconds} s.`,
    failed: line => line ? `Error in line ${line}.` : "The program ended with an error.",
    stopped: "Stopped. Python starts again …",
    broken: reason => `Python cannot run here: ${reason}`,
    died: reason => `Python ended unexpectedly (${reason}) and starts again …`,
    copied: "The link is in the address bar and has been copied.",
    shared: "The link is in the address bar and below.",
    fromLink: "This program came with the link. Read it before you run it: nothing runs until you press Run.",
    badLink: "The link contains no complete program; it may have been cut off. Ask for it again.",
    empty: "Press Run to see the output here.",
    asText: "As text",
    large: "Actual size",
    fit: "Fit to the page",
    picture: "Picture",
    stepper: "Backpropagation, step by step",
    point: (name, count, last) => `${name}: ${count} points, the last one ${last}`,
    yours: "From the link",
  },
  ja: {
    title: "autograd_mini プレイグラウンド",
    playground: "プレイグラウンド",
    skip: "出力へ移動",
    example: "例",
    run: "実行",
    runKeys: "実行 (Ctrl+Enter)",
    stop: "停止",
    share: "共有",
    program: "プログラム",
    output: "出力",
    link: "このプログラムへのリンク",
    hint: "Ctrl+Enter で実行します。Tab で字下げ。エディタから出るには Esc、続けて Tab を押します。",
    other: "English",
    editor: "Python プログラム",
    loading: what => `${what} を読み込んでいます …`,
    python: "Python",
    ready: "準備ができました。",
    waiting: "Python を読み込んでいます。準備ができ次第、プログラムを実行します …",
    running: "実行中 …",
    done: seconds => `${seconds} 秒で終了しました。`,
    failed: line => line ? `${line} 行目でエラーが起きました。` : "プログラムはエラーで終了しました。",
    stopped: "停止しました。Python を再起動しています …",
    broken: reason => `ここでは Python を実行できません: ${reason}`,
    died: reason => `Python が予期せず終了しました (${reason})。再起動しています …`,
    copied: "リンクをアドレス欄に表示し、クリップボードにコピーしました。",
    shared: "リンクをアドレス欄と下の欄に表示しました。",
    fromLink: "このプログラムはリンクに含まれていたものです。実行する前に内容を確認してください。「実行」を押すまで何も実行されません。",
    badLink: "リンクに完全なプログラムが含まれていません。途中で切れている可能性があります。リンクをもう一度もらってください。",
    empty: "「実行」を押すと、ここに出力が表示されます。",
    asText: "テキストで表示",
    large: "原寸で表示",
    fit: "画面に合わせる",
    picture: "図",
    stepper: "誤差逆伝播法を一歩ずつ見る",
    point: (name, count, last) => `${name}: ${count} 点、最後の値は ${last}`,
    yours: "リンクのプログラム",
  },
};

let language = "en";

export const LANGUAGES = Object.keys(WORDS);
export const currentLanguage = () => language;

// Returns a text of the current language.
export function word(key, ...about) {
  const text = WORDS[language][key];
  return typeof text === "function" ? text(...about) : text;
}

// Changes the language of everything that names its text in the markup.
export function setLanguage(name) {
  language = name;
  document.documentElement.lang = name;
  document.title = word("title");
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = word(node.dataset.word);
  for (const node of document.querySelectorAll("[data-title]")) node.title = word(node.dataset.title);
}

// Returns the language that the reader chose before, or the browser's.
export function preferredLanguage() {
  let chosen = null;
  try { chosen = localStorage.getItem("language"); } catch { /* storage may be forbidden */ }
  if (LANGUAGES.includes(chosen)) return chosen;
  return navigator.language.startsWith("ja") ? "ja" : "en";
}

export function rememberLanguage() {
  try { localStorage.setItem("language", language); } catch { /* storage may be forbidden */ }
}
