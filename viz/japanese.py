"""The Japanese texts of pictures: English text -> Japanese text. Terms follow common textbooks on machine learning."""

from __future__ import annotations

from typing import Final

GRAPH: Final = {
    # the legend and the labels of nodes
    "input or constant": "入力・定数",
    "input": "入力",
    "parameter": "パラメータ",
    "operation": "演算",
    "write": "書き込み",
    "tensor": "テンソル",
    "loss": "損失",
    "collapsed": "折りたたみ",
    "frozen parameter": "固定されたパラメータ",
    "frozen": "固定パラメータ",
    "detached": "切断",
    "outside": "勾配なしの計算",
    "no gradient flows back": "勾配が流れない値",
    "ran without gradient": "勾配なしで実行",
    "✂ detach": "✂ detach（切断）",
    "✂ no_grad": "✂ no_grad（勾配なし）",
    "scalar": "スカラー",
    "{module} (continued)": "{module}（続き）",
    "{module} · {count} parameters": "{module} · パラメータ{count}個",
    "① continues at the other ①": "① はもう一方の ① に続く",
    "goes on at the other circle {number}": "もう一方の丸 {number} に続く",
    "as {dtype}": "{dtype} に変換",
    "changed since it was used": "使用後に変更された値",
    "changed since": "使用後に変更",
    "∇ gradient": "∇ 勾配",
    "δ⁽ˡ⁾ = ∂L/∂u⁽ˡ⁾": "δ⁽ˡ⁾ = ∂L/∂u⁽ˡ⁾",
    "∂L/∂ gradient": "∂L/∂ 勾配",
    "{meaning} ({missing} not computed)": "{meaning}（{missing} は未計算）",
    "edges: log₁₀ RMS of the gradient": "辺：勾配の二乗平均平方根（RMS）の log₁₀",
    "{count} nodes hidden": "{count}個のノードを省略",
    "{name}: {count} nodes are hidden; depth=None, collapse=() shows them":
        "{name}：{count}個のノードを省略（depth=None, collapse=() で表示）",
    "{count} nodes are hidden in collapsed nodes; draw(…, depth=None, collapse=()) shows all of them":
        "{count}個のノードを折りたたんでいます。draw(…, depth=None, collapse=()) ですべて表示できます",
    "module": "モジュール",
    "empty": "空",
    "{bad} of {size} not finite": "{size}個中{bad}個が有限でない値",
    # the nodes of a compiled plan
    "argument": "引数",
    "earlier gradient": "以前の勾配",
    "state": "状態",
    "result": "結果",
    "view": "ビュー",
    "in place": "上書き",
    "gradient": "勾配",
    "new": "新規",
    "buffer {number}": "バッファ {number}",
    "{operation} of {count} parameters": "{operation}（パラメータ{count}個）",
    "step {step}, split over two threads": "ステップ {step}（2スレッドに分割）",
    # the texts of an SVG for screen readers
    "a computation": "計算",
    "The graph of {names}": "{names} の計算グラフ",
    "{count} nodes ({kinds}). Operations: {operations}.": "ノード{count}個（{kinds}）。演算：{operations}。",
    "no web browser was found; the picture is in {file}": "ウェブブラウザが見つかりません。図は {file} にあります",
    # the page whose modules fold and unfold
    "source line": "ソースコードの行",
    "shown: {part}": "表示部分：{part}",
    "fold {module}": "{module} を折りたたむ",
    "unfold {module}": "{module} を展開する",
    "{module} is folded": "{module} を折りたたみました",
    "{module} is unfolded": "{module} を展開しました",
    "Fold all": "すべて折りたたむ",
    "Unfold all": "すべて展開",
    "Point at a node to see its values and the path of its gradient; a click keeps them.":
        "ノードにマウスを重ねると、値と勾配の経路が表示されます。クリックすると表示を固定します。",
    "A click on a folded module or on the title of a box unfolds or folds it.":
        "折りたたまれたモジュールや枠の見出しをクリックすると、展開したり折りたたんだりできます。",
    "Keys: Tab and ← → move, Enter is a click.": "キー操作：Tab と ← → で移動、Enter でクリック。",
    # notes below a picture
    "gradients are not shown: {reason}": "勾配は表示していません：{reason}",
    "drawn in code notation": "コードの表記で描画",
    "without a table of layers": "層の表は省略",
    "{changes}: {reason}": "{changes}：{reason}",
    "(not drawn: {reason})": "（描画できません：{reason}）",
    "no linear layer was found in this graph": "この計算グラフには線形層が見つかりません",
    "operations {first} and {second} would both be layer {layer}": "演算 {first} と {second} がどちらも第{layer}層になります",
    "the layers are not in one sequence": "層が一列に並んでいません",
    "the input of layer {layer} depends on more than the layer before, as in a residual connection":
        "第{layer}層の入力は直前の層だけでは決まりません（残差接続など）",
    "several layers share one weight": "複数の層が1つの重みを共有しています",
    "the input of the first layer is computed from its weight": "最初の層の入力が、その層の重みから計算されています",
}  # fmt: skip

TABLES: Final = {
    # δ by layer
    "layer": "層",
    "RMS of δ": "δ の RMS",
    "vanishing": "勾配消失",
    "exploding": "勾配爆発",
    "stable": "安定",
    # the tree
    "name": "名前",
    "shape": "形状",
    "value": "値",
    "{name} (changed since)": "{name}（使用後に変更）",
    "{operation} ({count} nodes hidden)": "{operation}（{count}個のノードを省略）",
    "… {count} more lines; max_lines=None prints all of them": "… 残り{count}行（max_lines=None ですべて表示）",
    # the check of gradients
    "elements": "要素数",
    "at": "位置",
    "analytic": "解析値",
    "numeric": "数値微分",
    "relative error": "相対誤差",
    "verdict": "判定",
    "undecidable": "判定不能",
    "{verdict} ({count} undecidable)": "{verdict}（{count}個は判定不能）",
    "nothing was checked: finite differences contradict each other at every element (a kink, a jump, a value that is not "
    "finite, or rounding); choose other values":
        "何も検査できませんでした。どの要素でも差分商が互いに矛盾しています（折れ点、不連続点、有限でない値、または丸め誤差）。"
        "別の値を選んでください",
    "nothing was checked: no derivative exceeds {largest}, but atol is {atol}; pass a smaller atol":
        "何も検査できませんでした。微分係数はどれも {largest} 以下ですが、atol は {atol} です。atol を小さくしてください",
}  # fmt: skip

DERIVATION: Final = {
    "One path leads from {start} to {end}:": "{start} から {end} への経路は1つです：",
    "{count} paths lead from {start} to {end}; their contributions add up:":
        "{start} から {end} への経路は{count}個あり、それらの寄与を足し合わせます：",
    "… and {count} more paths": "… ほかに{count}個の経路",
    "With the shared factors named:": "共通の因子に名前を付けると：",
    "Together:": "まとめると：",
    "Expanded:": "展開すると：",
    "where": "ただし",
    "In the program's own names, not in lecture notation: {reason}":
        "講義の表記ではなく、プログラム中の名前を使います：{reason}",
}  # fmt: skip

STEPPER: Final = {
    "Backprop, step by step": "誤差逆伝播法をステップごとに",
    "backprop, step by step": "誤差逆伝播法をステップごとに",
    "the graph; the caption below describes the current step": "計算グラフ。現在のステップは下の説明文に書かれています",
    "steps": "ステップ",
    "frame": "コマ",
    "First": "最初へ",
    "Previous": "前へ",
    "Play": "再生",
    "Pause": "一時停止",
    "Next": "次へ",
    "Last": "最後へ",
    "{operation}, cell by cell": "{operation} をセルごとに見る",
    "Next array": "次の配列",
    "Gradients": "勾配",
    "{count} more": "ほか{count}項",
    "Forward: the output cell and the inputs that it was computed from": "順伝播：出力のセルと、その計算に使われた入力",
    "Backward: the gradient of an input cell, a sum over the outputs that it contributed to":
        "逆伝播：入力のセルの勾配。そのセルが寄与した出力についての和",
    "a hook is called with {name} and makes it {value}": "フックが {name} を受け取り、{value} に変えます",
    "{k} · forward": "{k}回目・順伝播",
    "{k} · loss": "{k}回目・損失",
    "{k} · backward": "{k}回目・逆伝播",
    "{k} · update": "{k}回目・更新",
    "phases": "段階",
    "Check": "検算",
    "scalar": "スカラー",
    "unit {i}": "ユニット{i}",
    "example {i}": "データ{i}",
    "iteration {k}: inputs and parameters": "{k}回目：入力とパラメータ",
    "Before the forward pass: the input, and the parameters with their current values.":
        "順伝播の前：入力と、パラメータの現在の値です。",
    "{operation} of {operands}": "{operands} の {operation}",
    "The loss: one number that the backward pass starts from.": "損失：逆伝播の出発点となる一つの数です。",
    "Forward: {names} is computed.": "順伝播：{names} を計算します。",
    "before the update": "更新前",
    "after the update": "更新後",
    "The update by {rule}: a step of size η = {rate} against the gradient.":
        "{rule} による更新：勾配と逆の向きに、学習率 η = {rate} で進みます。",
    "The update by {rule}: the change Δ follows its own rule, with the step size {rate}.":
        "{rule} による更新：変化量 Δ はこの手法の規則に従います（学習率 {rate}）。",
    "The loss after each update: {values}": "各更新後の損失：{values}",
    "by iteration": "反復ごと",
    "numerical {symbol}": "数値微分による {symbol}",
    "central differences; relative difference {difference}": "中心差分。相対誤差 {difference}",
    "Frame {frame} of {count}. {caption}": "{count}コマ中{frame}コマ目。{caption}",
    "show the number: {label}": "数値を表示：{label}",
    "the loss with respect to itself": "損失の、損失自身に関する微分",
    "The backward pass starts at the loss: its derivative with respect to itself is 1.":
        "逆伝播は損失から始まります。損失を損失自身で微分すると 1 です。",
    "upstream": "上流の勾配",
    "δ of the operation's output": "演算の出力に関する δ",
    "contribution": "寄与",
    "{operation} contributes to the gradient of {name}: {rule}": "{operation} から {name} の勾配への寄与：{rule}",
    "per copy": "コピーごと",
    "sum over the copies": "コピーについての和",
    "{name} was broadcast, so its gradient is the sum over the copies":
        "{name} はブロードキャストされたので、勾配はすべてのコピーについての和になります",
    "undo broadcasting: {target}": "ブロードキャストを戻す：{target}",
    "old": "これまでの値",
    "+ new": "+ 新しい寄与",
    "= total": "= 合計",
    "{name} was used more than once: its gradients add up, old + new = total":
        "{name} は2回以上使われているので、勾配を足し合わせます（これまでの値 + 新しい寄与 = 合計）",
    "add up: {target}": "足し合わせる：{target}",
    "incoming δ": "入ってくる δ",
    "{operation} to {name}": "{operation} から {name}",
    ", then ": "、次に ",
    "{layer}: contributions from {contributions}": "{layer}：順に、{contributions} への寄与",
    "outside the layers": "層の外",
    "layer {number}": "第{number}層",
    "Every parameter has its gradient: this is what backward adds to .grad.":
        "すべてのパラメータの勾配が求まりました。backward はこの値を .grad に加えます。",
    "the gradients": "求まった勾配",
    "other factor: {name}": "もう一方の因子：{name}",
    "× local derivative": "× 局所的な微分",
    "δ through this operation's rule": "この演算の規則に δ を適用",
}  # fmt: skip

PLOTS: Final = {
    "epoch": "エポック",
    "iteration": "反復回数",
    "density": "密度",
    "{name}: mean {mean}, variance {variance}": "{name}：平均 {mean}、分散 {variance}",
    "class": "クラス",
    "original": "元の画像",
    "reconstruction": "再構成",
    "share of the true class": "正解クラス内の割合",
    "predicted": "予測",
    "true": "正解",
    "training": "訓練",
    "test": "テスト",
    "accuracy": "正解率",
    "errors": "誤り数",
    "discriminator": "識別器",
    "generator": "生成器",
    "equilibrium ½": "均衡点 ½",
    "batch": "バッチ",
    "output": "出力",
    "now": "現在",
    "direction {number}": "方向{number}",
    "random direction {number}": "ランダムな方向{number}",
    "principal direction {number} ({share} % of the variation)": "第{number}主成分の方向（変動の{share} %）",
    "root mean square of the gradient": "勾配の二乗平均平方根",
    "({shown} of {count} layers)": "（{count}層中{shown}層）",
    "mean {mean}, standard deviation {deviation}": "平均 {mean}、標準偏差 {deviation}",
    "batch {number}": "バッチ {number}",
    "batch {number}, loss {loss}": "バッチ {number}、損失 {loss}",
    "Film of a training": "訓練の動画",
    "frames": "コマ",
    "probability of being real": "本物である確率",
}  # fmt: skip

JAPANESE: Final[dict[str, str]] = GRAPH | TABLES | DERIVATION | STEPPER | PLOTS
