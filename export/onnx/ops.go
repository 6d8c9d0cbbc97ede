package onnx

import "strings"

// since is the version of the domain that introduced an operator.
var since = func() map[string]map[string]int64 {
	all := map[string]map[string]int64{Standard: {}, ML: {}}
	for _, row := range []struct {
		domain  string
		version int64
		ops     string
	}{
		{Standard, 1, `Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat
			Constant Conv ConvTranspose DepthToSpace Div Dropout Elu Equal Exp Flatten Floor GRU Gather Gemm
			GlobalAveragePool GlobalLpPool GlobalMaxPool Greater HardSigmoid Hardmax Identity If
			InstanceNormalization LRN LSTM LeakyRelu Less Log LogSoftmax Loop LpNormalization LpPool MatMul
			Max MaxPool MaxRoiPool Mean Min Mul Neg Not Or PRelu Pad Pow RNN RandomNormal RandomNormalLike
			RandomUniform RandomUniformLike Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
			ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Selu Shape
			Sigmoid Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile
			TopK Transpose Unsqueeze Upsample Xor`},
		{Standard, 7, `Acos Asin Atan Cos Multinomial Sin Tan`},
		{Standard, 8, `Expand Scan`},
		{Standard, 9, `Acosh Asinh Atanh Compress ConstantOfShape Cosh Erf EyeLike IsNaN MaxUnpool
			MeanVarianceNormalization NonZero OneHot Scatter Shrink Sign Sinh TfIdfVectorizer Where`},
		{Standard, 10, `ConvInteger DequantizeLinear IsInf MatMulInteger Mod NonMaxSuppression
			QLinearConv QLinearMatMul QuantizeLinear Resize ReverseSequence RoiAlign StringNormalizer
			ThresholdedRelu`},
		{Standard, 11, `BitShift ConcatFromSequence CumSum Det DynamicQuantizeLinear GatherElements
			GatherND Range Round ScatterElements ScatterND SequenceAt SequenceConstruct SequenceEmpty
			SequenceErase SequenceInsert SequenceLength SplitToSequence Unique`},
		{Standard, 12, `Celu Einsum GreaterOrEqual LessOrEqual NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss`},
		{Standard, 14, `HardSwish Trilu`},
		{Standard, 15, `Bernoulli CastLike Optional OptionalGetElement OptionalHasElement`},
		{Standard, 16, `GridSample`},
		{Standard, 17, `BlackmanWindow DFT HammingWindow HannWindow LayerNormalization MelWeightMatrix STFT SequenceMap`},
		{Standard, 18, `BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im GroupNormalization Mish`},
		{Standard, 19, `DeformConv`},
		{Standard, 20, `AffineGrid Gelu ImageDecoder RegexFullMatch StringConcat StringSplit`},
		{Standard, 23, `Attention RMSNormalization RotaryEmbedding`},
		{Standard, 24, `Swish TensorScatter`},
		{Standard, 26, `BitCast CumProd`},
		{ML, 1, `ArrayFeatureExtractor Binarizer CastMap CategoryMapper DictVectorizer FeatureVectorizer
			Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier
			SVMRegressor Scaler TreeEnsembleClassifier TreeEnsembleRegressor ZipMap`},
		{ML, 5, `TreeEnsemble`},
	} {
		for op := range strings.FieldsSeq(row.ops) {
			all[row.domain][op] = row.version
		}
	}
	return all
}()

// until is the version of the domain that withdrew an operator. GroupNormalization of opset 18 to 20 is deprecated,
// too; 21 has a different operator of that name.
var until = map[string]map[string]int64{
	Standard: {"Upsample": 10, "Scatter": 11},
	ML:       {"TreeEnsembleClassifier": 5, "TreeEnsembleRegressor": 5},
}
