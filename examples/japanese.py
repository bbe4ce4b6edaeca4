"""The Japanese texts of the exercises: English text -> Japanese text. {0}, {1}, … stand for the numbers in a sentence."""

from __future__ import annotations

from typing import Final

TITLES: Final = {
    "Exercise 20: a scalar chain by hand, by the formula and by backpropagation.":
        "課題20：スカラーの連鎖を、手計算、公式、誤差逆伝播法で求める",
    "Exercise 21: why gradients vanish with sigmoids, and less with ReLU.":
        "課題21：シグモイドで勾配が消失し、ReLU では起こりにくい理由",
    "Exercise 22: mean squared error compared with cross-entropy, for one classifier with the same initial "
    "weights.":
        "課題22：平均二乗誤差と交差エントロピーの比較（同じ分類器、同じ初期値）",
    "Exercise 23: regression of a linear and a funnel-shaped function, and classification into two classes.":
        "課題23：線形関数と漏斗型関数の回帰、2クラス分類",
    "Exercise 24: gradient descent and SGD on MNIST, with the backward pass by hand and with the engine.":
        "課題24：MNIST での勾配降下法と SGD（逆伝播を自分で書いた場合とエンジンの場合）",
    "Exercise 25: one hidden layer of 10 to 100,000 units.": "課題25：隠れ層1つ、ユニット数10〜100,000",
    "Exercise 26: layers × nodes × batch over 100 epochs: the gap between training and validation, and "
    "early stopping.":
        "課題26：層数 × ノード数 × バッチサイズ、100エポック：訓練と検証の差、早期終了",
    "Exercise 27: seven optimizers, each with the same learning rates and the same budget.":
        "課題27：7つの最適化手法を、同じ学習率の候補と同じ計算量で比べる",
    "Exercise 28: MNIST and CIFAR-10 with and without convolution.":
        "課題28：畳み込みの有無による MNIST と CIFAR-10 の比較",
    "Exercise 29: an autoencoder to two dimensions: 100 images each of 0 and 1, then of 0, 1 and 2.":
        "課題29：2次元へのオートエンコーダ：0 と 1、次に 0・1・2 の画像を100枚ずつ",
    "Exercise 30: the ELBO is a lower bound: the proof, a model on which every term is known exactly, "
    "and MNIST.":
        "課題30：ELBO は下界である：証明、すべての項が厳密にわかるモデル、MNIST",
    "Exercise 31: images of CIFAR-10 from a variational autoencoder.": "課題31：変分オートエンコーダによる CIFAR-10 の画像",
}  # fmt: skip

PARAGRAPHS: Final = {
    "Quick mode uses enlarged 8 × 8 digits (tinted, if colours are needed) instead of the image sets "
    "that are named below. The results only show that the program works.":
        "簡易モードでは、以下に書かれた画像の代わりに、8 × 8 の数字を拡大したもの（カラーが必要なら着色し"
        "たもの）を使います。結果は、プログラムが動くことだけを示します。",
    "Backpropagation computes the same derivatives as the formula without knowing the formula. Each δ "
    "is used twice, for the weight of its layer and for the δ of the layer below, so the work is proportional "
    "to the depth; if each derivative is computed separately, it is proportional to its square. At x "
    "= 1 the first layer has no visible effect, because h⁽¹⁾ = x² = 1; the point with x = 2 shows its "
    "effect.":
        "誤差逆伝播法は、公式を知らなくても公式と同じ微分を計算します。各 δ は、その層の重みと1つ下の層の"
        " δ のために2回使われるので、計算量は層の数に比例します。微分を1つずつ別々に計算すると、層の数の2乗"
        "に比例します。x = 1 では h⁽¹⁾ = x² = 1 なので第1層の影響が見えませんが、x = 2 の点では見えます。",
    "δ⁽ˡ⁾ = (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾) ⊙ f′(u⁽ˡ⁾): at each layer the gradient is multiplied by the weights and "
    "by f′. For the sigmoid,\n"
    "σ′(u) = σ(u)(1 − σ(u)) is a product of two numbers with sum 1: at most ¼, at u = 0, and almost 0 "
    "if the unit is saturated.\n"
    "Over d layers, f′ alone shrinks the gradient by a factor of 4ᵈ or more. Weights larger than 4 could "
    "compensate this, but they\n"
    "make |u| large, where σ′ is even smaller. ReLU′ is 1 for every active unit, for any u, so f′ does "
    "not shrink the gradient there.\n"
    "About half of the units are inactive; this halves the squared norm, and weights of variance 2/n "
    "(He) double it again. Gradients\n"
    "can still vanish with ReLU: a unit that is inactive for every image learns nothing, and badly scaled "
    "weights shrink or enlarge\n"
    "the gradient with any activation.":
        "δ⁽ˡ⁾ = (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾) ⊙ f′(u⁽ˡ⁾)：勾配には、層ごとに重みと f′ が掛かります。シグモイドでは σ′(u) "
        "= σ(u)(1 − σ(u)) が、和が 1 になる2つの数の積なので、u = 0 での ¼ が最大で、ユニットが飽和してい"
        "るとほぼ 0 です。d 層を通ると、f′ だけで勾配は 4ᵈ 分の1以下になります。重みを 4 より大きくすれば"
        "打ち消せますが、|u| も大きくなり、σ′ はさらに小さくなります。ReLU′ は、活性なユニットでは u によ"
        "らず 1 なので、そこでは f′ が勾配を縮めません。約半分のユニットは活性でないため、ノルムの2乗は半"
        "分になりますが、分散 2/n の重み（He の初期値）がこれを2倍に戻します。ReLU でも勾配は消失し得ます"
        "。どの画像に対しても活性でないユニットは何も学習せず、重みの大きさが不適切なら、どの活性化関数で"
        "も勾配は縮んだり膨らんだりします。",
    "With sigmoids the gradient shrinks at each layer by a factor of {0}, just below ¼, the upper bound "
    "of σ′; with {1} hidden layers, ‖δ‖ of the first is {2} times that of the last. With ReLU the factor "
    "per layer is {3}, and ‖δ‖ of the first layer is {4} times that of the last. After {5} steps, networks "
    "of {6} hidden layers classify {7} (sigmoid) and {8} (ReLU) of the test images correctly.":
        "シグモイドでは、勾配は1層ごとに {0} 倍になります。これは σ′ の上限 ¼ をわずかに下回る値です。隠れ"
        "層が{1}層のとき、最初の層の ‖δ‖ は最後の層の {2} 倍です。ReLU では1層あたり {3} 倍で、最初の層の"
        " ‖δ‖ は最後の層の {4} 倍です。{5}ステップ後、隠れ層{6}層のネットワークは、テスト画像の {7}（シグ"
        "モイド）と {8}（ReLU）を正しく分類します。",
    "The gradient of the squared error contains the factor f′ of the softmax, so an image with a confident "
    "wrong answer hardly changes the weights, whereas the gradient p − t of cross-entropy is largest "
    "in that case. With learning rate {0} the accuracy after one epoch is {1} with squared error and "
    "{2} with cross-entropy. Each at its best rate ({3} and {4}), they reach {5} and {6}.":
        "二乗誤差の勾配にはソフトマックスの f′ が掛かるため、自信を持って間違えた画像は重みをほとんど変え"
        "ません。これに対し、交差エントロピーの勾配 p − t は、そのような場合に最も大きくなります。学習率 "
        "{0} での1エポック後の正解率は、二乗誤差で {1}、交差エントロピーで {2} です。それぞれ最良の学習率"
        "（{3} と {4}）では、{5} と {6} に達します。",
    "Gradient descent on one affine layer agrees with the normal equations to {0}. The funnel is not "
    "affine: the mean squared error of the best affine function is {1}, that of the network {2}, while "
    "the variance of the noise in the training data is {3}; at the bottom the network returns {4} instead "
    "of −e = −2.72. The decision boundary, where the sigmoid is ½, classifies {5} of new points correctly; "
    "the noise mixes the classes, so that even the nearest arc without noise is right only for {6}.":
        "アフィン層1つに対する勾配降下法の解は、正規方程式の解と {0} の精度で一致します。漏斗型の関数はア"
        "フィンではありません。平均二乗誤差は、最良のアフィン関数で {1}、ネットワークで {2} です。訓練デー"
        "タのノイズの分散は {3} です。底では、ネットワークの値は −e = −2.72 に対して {4} です。シグモイド"
        "が ½ になる決定境界は、新しい点の {5} を正しく分類します。ノイズでクラスが混ざるため、ノイズのな"
        "い最も近い弧を選んでも、正しいのは {6} だけです。",
    "The engine and the four lines by hand give the same weights, to within {0}. Gradient descent uses "
    "every image for each step: it reaches a test loss of {1} in {2} s, and SGD reaches this loss in "
    "{3} s. With one image per step the loss is noisy: it had risen at {4} of {5} evaluations, with all "
    "images at {6} of {7}. The engine takes {8} times as long as the code by hand for single images, "
    "where its overhead matters, and {9} times for all images at once.":
        "エンジンと、自分で書いた4行は、{0} の差で同じ重みになります。勾配降下法は1ステップごとに全画像を"
        "使い、テスト損失 {1} に {2} 秒で達します。SGD は同じ損失に {3} 秒で達します。1枚ずつ学習すると損"
        "失は大きく揺れ、{5}回の評価のうち{4}回で増えました。全画像では{7}回のうち{6}回です。エンジンの所"
        "要時間は、手書きのコードと比べて、オーバーヘッドが効く1枚ずつの場合に {8} 倍、全画像を一度に使う"
        "場合に {9} 倍です。",
    "From {0} to {1} units, memory grows from {2} to {3} MB and the time per epoch from {4} to {5} s; "
    "both are proportional to the width once matrix products dominate the overhead. Test accuracy rises "
    "from {6} to {7} at {8} units, and is {9} at {10}: beyond a certain width, more units cost a lot "
    "and gain little.":
        "ユニット数を{0}から{1}に増やすと、メモリは {2} MB から {3} MB へ、1エポックの時間は {4} 秒から {5} "
        "秒へ増えます。行列積が支配的になると、どちらも幅に比例します。テストの正解率は {6} から、{8}ユニ"
        "ットでの {7} まで上がり、{10}ユニットでは {9} です。ある幅を超えると、ユニットを増やしても費用が"
        "かさむだけで、得るものはわずかです。",
    "After {0} epochs, training accuracy is {1} to {2} points above validation accuracy. In {3} of {4} "
    "runs the validation loss was lower at an earlier epoch. Early stopping saves {5} of the epochs, "
    "ends at a validation loss of {6} nats instead of {7}, and changes accuracy by {8} points on average. "
    "Mean validation accuracy after all epochs: {9}. The best accuracy with early stopping is {10} %, "
    "with hidden layers {11} and batches of {12}.":
        "{0}エポック後、訓練の正解率は検証の正解率を {1}〜{2} ポイント上回ります。{4}回の訓練のうち{3}回で"
        "、検証損失はもっと早いエポックの方が小さくなりました。早期終了はエポックの {5} を節約し、検証損失"
        "は {7} ナットではなく {6} ナットで終わり、正解率は平均で {8} ポイント変わります。全エポック後の平"
        "均の検証正解率：{9}。早期終了での最良の正解率は、隠れ層 {11}、バッチサイズ {12} での {10} % です"
        "。",
    "On test images, each at its best learning rate, {0} comes first ({1} %) and {2} last ({3} %); momentum "
    "is number {4} of {5}. The best and the worst optimizer differ by {6} points of validation accuracy; "
    "an optimizer's best rate and the mean over its rates differ by {7} points. Best rates lie between "
    "{8} and {9}, so a learning rate means nothing without the name of its optimizer. At most {10} of "
    "{11} rates come within two points of an optimizer's best: {12}.":
        "テスト画像では、それぞれ最良の学習率で、{0} が1位（{1} %）、{2} が最下位（{3} %）です。モメンタム"
        "は{5}手法中{4}位です。検証正解率は、最良の手法と最悪の手法とで {6} ポイント、同じ手法の最良の学習"
        "率と全学習率の平均とでは {7} ポイント違います。最良の学習率は {8} から {9} まで広がるので、手法の"
        "名前なしに学習率だけを語っても意味がありません。その手法の最良値から2ポイント以内に入る学習率は、"
        "{11}個中、多くて{10}個です：{12}。",
    "After the same number of epochs, convolution {0}. The networks without convolution have {1} times "
    "as many weights as those with it.":
        "同じエポック数での畳み込みの効果：{0}。畳み込みのないネットワークの重みの数は、畳み込みのあるもの"
        "の {1} 倍です。",
    "No label was used in training, but the class of an image can be predicted from its neighbours in "
    "the plane: {0}; chance is {1} % for the last. From two numbers per image, the decoder reconstructs "
    "it with a loss of {2} nats. The figures show what it draws for points of the plane where no image "
    "lies, between the classes and outside them.":
        "訓練にラベルは使っていませんが、画像のクラスは、平面上の近くの点から予測できます：{0}（最後の場合"
        "、偶然に当たる確率は {1} %）。デコーダは、画像1枚あたり2つの数から、{2} ナットの損失で画像を再構"
        "成します。図は、クラスの間や外側など、画像のない点に対してデコーダが何を描くかを示します。",
    "On a model for which every term is known exactly, log p(x) − ELBO equals KL(q(z|x) ‖ p(z|x)) to "
    "{0} nats for every q that was tried, random or fitted. On {1} the bounds {2} with K: {3}. So the "
    "ELBO is at least {4} nats below log p(x) there.":
        "すべての項が厳密にわかるモデルでは、試したすべての q（ランダムなものも当てはめたものも）について"
        "、log p(x) − ELBO は KL(q(z|x) ‖ p(z|x)) に {0} ナットの精度で一致します。{1} での、K に対する下"
        "界（{2}）：{3}。したがって、ELBO は log p(x) より少なくとも {4} ナット小さい値です。",
}  # fmt: skip

# Sentences that an exercise joins from several parts, and their parts.
JOINED: Final = {
    "On {0}, the held-out −ELBO {1} from {2} nats per image after one epoch to {3} after {4}, and improves in {5} "
    "of {6} epochs; a model of one Gaussian per pixel is {7}, with {8}. The contrast within a sampled image is "
    "{9} times that of a test image{10} (σ = {11}).":
        "{0} では、訓練に使わない画像の −ELBO が、1エポック後の {2} ナットから{4}エポック後の {3} ナットへ{1}、"
        "{6}エポック中{5}エポックで改善しました。画素ごとに1つのガウス分布を当てはめたモデルは {8} で、{7}値です。"
        "生成画像の中のコントラストは、テスト画像の {9} 倍です{10}（σ = {11}）。",
    ": each pixel is the mean of its possible values, so fine structure that z does not contain is averaged away":
        "。各画素は取り得る値の平均になるので、z に含まれない細かい構造はならされて消えます",
    "falls": "下がり",
    "rises": "上がり",
    "worse": "これより悪い",
    "still better": "これよりまだ良い",
    "digits in place of {0}": "{0} の代わりの数字",
    "sigmoid, per layer": "シグモイド（1層あたり）",
    "ReLU, per layer": "ReLU（1層あたり）",
    "‖δ‖, sigmoid": "‖δ‖、シグモイド",
    "‖δ‖, ReLU": "‖δ‖、ReLU",
}  # fmt: skip

PROOF: Final = {
    "**Claim.** For every density q(z|x) that is positive if p(x, z) is,\n"
    "\n"
    "    log p(x) = ELBO + KL(q(z|x) ‖ p(z|x)),    ELBO = E_q[log p(x, z) − log q(z|x)] = E_q[log p(x|z)] "
    "− KL(q(z|x) ‖ p(z)),\n"
    "\n"
    "and KL ≥ 0; so ELBO ≤ log p(x), with equality if and only if q(z|x) = p(z|x).\n"
    "\n"
    "**Proof.** By Bayes' rule p(x) = p(x, z) / p(z|x) for every z. Take logarithms, insert q, and take "
    "the mean over z ~ q(z|x);\n"
    "the left side does not depend on z:\n"
    "\n"
    "    log p(x) = E_q[log p(x, z)/q(z|x)] + E_q[log q(z|x)/p(z|x)].\n"
    "\n"
    "The first mean is the ELBO; with p(x, z) = p(x|z) p(z) it is E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)). "
    "The second is\n"
    "KL(q(z|x) ‖ p(z|x)). Since log is concave, Jensen's inequality gives −KL = E_q[log p(z|x)/q(z|x)] "
    "≤ log E_q[p(z|x)/q(z|x)]\n"
    "= log ∫ p(z|x) dz = 0. Since log is strictly concave, equality requires a constant p(z|x)/q(z|x), "
    "which must be 1. ∎\n"
    "\n"
    "**With K draws.** With w = p(x, z)/q(z|x), E_q[w] = p(x). L_K = E log (1/K) Σ w_k, with L_1 the "
    "ELBO, is at most\n"
    "log E[(1/K) Σ w_k] = log p(x), by Jensen again. A mean of K weights is the average of the means "
    "of all its\n"
    "subsets of M ≤ K weights; since log is concave, its logarithm is at least the average of their logarithms, "
    "so L_M ≤ L_K.":
        "**主張** p(x, z) が正である所で正となる任意の密度 q(z|x) について、\n"
        "\n"
        "    log p(x) = ELBO + KL(q(z|x) ‖ p(z|x)),    ELBO = E_q[log p(x, z) − log q(z|x)] = E_q[log p(x|z)] "
        "− KL(q(z|x) ‖ p(z))\n"
        "\n"
        "が成り立ち、KL ≥ 0 である。したがって ELBO ≤ log p(x) であり、等号は q(z|x) = p(z|x) のとき、かつ"
        "そのときに限り成り立つ。\n"
        "\n"
        "**証明** ベイズの定理より、任意の z について p(x) = p(x, z) / p(z|x) である。対数をとって q を挿"
        "入し、z ~ q(z|x) についての平均をとる。\n"
        "左辺は z によらないので、\n"
        "\n"
        "    log p(x) = E_q[log p(x, z)/q(z|x)] + E_q[log q(z|x)/p(z|x)].\n"
        "\n"
        "第1項は ELBO であり、p(x, z) = p(x|z) p(z) より E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) に等しい。第"
        "2項は KL(q(z|x) ‖ p(z|x)) である。\n"
        "log は凹関数なので、イェンセンの不等式より −KL = E_q[log p(z|x)/q(z|x)] ≤ log E_q[p(z|x)/q(z|x)] "
        "= log ∫ p(z|x) dz = 0 となる。\n"
        "log は狭義の凹関数なので、等号が成り立つのは p(z|x)/q(z|x) が定数のときだけで、その定数は 1 であ"
        "る。∎\n"
        "\n"
        "**K 個のサンプルの場合** w = p(x, z)/q(z|x) とすると E_q[w] = p(x) である。L_K = E log (1/K) Σ w_k（"
        "L_1 は ELBO）は、再びイェンセンの\n"
        "不等式より log E[(1/K) Σ w_k] = log p(x) 以下である。K 個の重みの平均は、そのうち M ≤ K 個からな"
        "るすべての部分集合の平均の、さらに平均に\n"
        "等しい。log は凹関数なので、その対数は各平均の対数の平均以上であり、L_M ≤ L_K となる。",
}  # fmt: skip

TABLES: Final = {
    "{0} s; results in {1}": "{0} 秒。結果は {1} にあります",
    "formulas, with f(u) = u², f′(u) = 2u, at (x, w2, w3) = {0}": "(x, w2, w3) = {0} での公式（f(u) = u², f′(u) = 2u）",
    "layers at (x, w2, w3) = {0}": "(x, w2, w3) = {0} での各層",
    "results at (x, w2, w3) = {0}": "(x, w2, w3) = {0} での結果",
    "multiplications": "乗算の回数",
    "layer by layer": "層ごと",
    "expanded": "展開した式",
    "value": "値",
    "by backpropagation": "誤差逆伝播法",
    "by the formula": "公式",
    "layer": "層",
    "layers": "層数",
    "each derivative separately": "微分を1つずつ計算",
    "backpropagation": "誤差逆伝播法",
    "‖δ‖ of the first hidden layer divided by that of the last": "最初の隠れ層の ‖δ‖ ÷ 最後の隠れ層の ‖δ‖",
    "‖δ⁽ˡ⁾‖ in the network of {0} hidden layers": "隠れ層{0}層のネットワークでの ‖δ⁽ˡ⁾‖",
    "hidden layers": "隠れ層の数",
    "hidden layer": "隠れ層",
    "sigmoid": "シグモイド",
    "accuracy on test images after {0} steps": "{0}ステップ後のテスト画像の正解率",
    "accuracy on test images after {0} epochs": "{0}エポック後のテスト画像の正解率",
    "‖∂L/∂u‖ for one image, by the confidence in a wrong class": "画像1枚に対する ‖∂L/∂u‖（誤ったクラスへの確信の強さ別）",
    "margin of the wrong logit": "誤ったロジットの差",
    "squared error": "二乗誤差",
    "cross-entropy": "交差エントロピー",
    "learning rate": "学習率",
    "test accuracy, learning rate {0}": "テスト正解率（学習率 {0}）",
    "test accuracy, each at its best rate": "テスト正解率（それぞれ最良の学習率）",
    "epoch": "エポック",
    "a line": "直線",
    "truth": "真の関数",
    "normal equations": "正規方程式",
    "gradient descent": "勾配降下法",
    "slope 1": "傾き1",
    "slope 2": "傾き2",
    "intercept": "切片",
    "the funnel, from {0} samples with noise of standard deviation {1}": "漏斗型の関数（{0}点、ノイズの標準偏差 {1}）",
    "network": "ネットワーク",
    "affine function": "アフィン関数",
    "test error (MSE)": "テスト誤差（MSE）",
    "two classes": "2クラス",
    "new points": "新しい点の数",
    "accuracy with p ≥ ½": "p ≥ ½ での正解率",
    "of the nearest arc": "最も近い弧による正解率",
    "the same training run twice": "同じ訓練を2通りで",
    "SGD, batches of 100": "SGD（バッチサイズ100）",
    "SGD, batches of 20": "SGD（バッチサイズ20）",
    "SGD, one image": "SGD（1枚ずつ）",
    "test loss": "テスト損失",
    "test accuracy": "テスト正解率",
    "seconds per epoch": "1エポックの秒数",
    "peak memory, MB": "最大メモリ（MB）",
    "one hidden layer, epochs: {0}, batches of {1}": "隠れ層1つ、エポック数 {0}、バッチサイズ {1}",
    "hidden units": "隠れユニット数",
    "training %": "訓練 %",
    "validation %": "検証 %",
    "test %": "テスト %",
    "validation loss": "検証損失",
    "training loss": "訓練損失",
    "best epoch": "最良のエポック",
    "stops at": "終了エポック",
    "validation % kept": "残した重みの検証 %",
    "validation loss kept": "残した重みの検証損失",
    "validation accuracy, %": "検証正解率（%）",
    "test accuracy, %": "テスト正解率（%）",
    "each at its best rate": "それぞれ最良の学習率",
    "rates within 2 points": "2ポイント以内の学習率",
    "without convolution": "畳み込みなし",
    "with convolution": "畳み込みあり",
    "{0} images in two dimensions": "2次元での{0}枚の画像",
    "classes in the latent plane": "潜在平面でのクラス",
    "loss (nats)": "損失（ナット）",
    "chance %": "偶然 %",
    "linear-Gaussian model, mean of {0} points, nats": "線形ガウスモデル、{0}点の平均（ナット）",
    "bounds on log p(x) by the number of draws K, nats": "サンプル数 K ごとの log p(x) の下界（ナット）",
    "−ELBO, nats per image": "−ELBO（画像1枚あたりのナット）",
    "held out": "訓練に使わない画像",
    "**the chain rule for {0}, written out**\n\n```text\n{1}\n```": "**{0} についての連鎖律**\n\n```text\n{1}\n```",
}  # fmt: skip

JAPANESE: Final[dict[str, str]] = TITLES | PARAGRAPHS | JOINED | PROOF | TABLES
