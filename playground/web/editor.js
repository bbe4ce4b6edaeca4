// The editor: CodeMirror in a shadow tree, where it needs no style elements, which the page's policy forbids.
import { basicSetup } from "./modules/codemirror.js";
import { indentWithTab } from "./modules/codemirror-commands.js";
import { python } from "./modules/codemirror-lang-python.js";
import { HighlightStyle, indentUnit, syntaxHighlighting } from "./modules/codemirror-language.js";
import { Compartment, EditorState, Prec, StateEffect, StateField } from "./modules/codemirror-state.js";
import { Decoration, EditorView, keymap } from "./modules/codemirror-view.js";
import { tags } from "./modules/lezer-highlight.js";
import { word } from "./words.js";

const COLOURS = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword, tags.definitionKeyword, tags.moduleKeyword], color: "var(--keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--number)" },
  { tag: tags.comment, color: "var(--comment)" },
  { tag: [tags.function(tags.variableName), tags.function(tags.definition(tags.variableName)), tags.className], color: "var(--name)" },
]);

const THEME = EditorView.theme({
  "&": { height: "100%", fontSize: "14px", color: "var(--ink)", backgroundColor: "var(--ground)" },
  ".cm-scroller": { fontFamily: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Noto Sans Mono CJK JP", monospace', overflow: "auto" },
  ".cm-gutters": { backgroundColor: "var(--panel)", color: "var(--quiet)", borderRight: "1px solid var(--line)" },
  ".cm-content": { caretColor: "var(--ink)" },
  "&.cm-focused": { outline: "3px solid var(--curve-1)", outlineOffset: "-3px" },
  "&.cm-focused .cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--accent) 10%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--accent) 30%, transparent)" },
  ".cm-tooltip, .cm-panels": { backgroundColor: "var(--panel)", color: "var(--ink)", borderColor: "var(--line)" },
  ".wrong-line": { backgroundColor: "var(--error-ground)", boxShadow: "inset 4px 0 var(--error)" },
});

const markLine = StateEffect.define();
const wrongLine = StateField.define({
  create: () => Decoration.none,
  update(marks, change) {
    if (change.docChanged) marks = Decoration.none;
    for (const effect of change.effects) {
      if (!effect.is(markLine)) continue;
      const { doc } = change.state;
      const exists = effect.value >= 1 && effect.value <= doc.lines;
      marks = exists ? Decoration.set([Decoration.line({ class: "wrong-line" }).range(doc.line(effect.value).from)]) : Decoration.none;
    }
    return marks;
  },
  provide: field => EditorView.decorations.from(field),
});

// Creates the editor in `place`. `run` is called for its keys, `change` after each change of the text.
export function createEditor(place, { run, change }) {
  const root = place.attachShadow({ mode: "open" });
  const labels = new Compartment();
  const label = () => EditorView.contentAttributes.of({ "aria-label": word("editor"), lang: "en", spellcheck: "false" });
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      extensions: [
        Prec.highest(keymap.of([{ key: "Mod-Enter", run: () => { run(); return true; } }])),
        basicSetup, keymap.of([indentWithTab]), python(), indentUnit.of("    "), EditorState.tabSize.of(4),
        syntaxHighlighting(COLOURS), THEME, wrongLine, labels.of(label()),
        EditorView.updateListener.of(update => { if (update.docChanged) change(); }),
      ],
    }),
  });
  return {
    get text() { return view.state.doc.toString(); },
    set text(text) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: 0 }, scrollIntoView: true });
    },
    // Marks the line of an error; null removes the mark.
    mark(line) {
      view.dispatch({ effects: markLine.of(line ?? 0) });
      if (line && line <= view.state.doc.lines) view.dispatch({ effects: EditorView.scrollIntoView(view.state.doc.line(line).from, { y: "nearest" }) });
    },
    relabel() { view.dispatch({ effects: labels.reconfigure(label()) }); },
    focus() { view.focus(); },
  };
}
