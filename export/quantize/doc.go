// Package quantize makes the networks in ONNX models smaller and faster, and measures what
// that costs in accuracy.
//
//	small, err := quantize.Quantize(ctx, m, quantize.Options{Kind: quantize.Int8})
//	report, err := quantize.Compare(windows, validate.Gate{}, run) // run runs small
//
// A quantized model is a different model. Nobody knows the quality of its forecasts until
// [Compare] has compared them with those of the model in Go, on windows that it was not
// calibrated with. Package export/deploy does all of this in one call.
//
//	         weights are stored as            computed in    size of weights
//	FP16     half precision                   float32        1/2
//	Int8     bytes, with a scale per output   bytes          1/4
//	           of LSTM: DynamicQuantizeLSTM, an operator that only ONNX Runtime has
//	           of MatMul: DynamicQuantizeLinear and MatMulInteger
//	           of Conv: QuantizeLinear and DequantizeLinear around it, calibrated
//
// Half precision costs almost no accuracy, but is not faster: the runtime converts the
// weights to float32 when it loads the model. Bytes make wide networks (256 units) 1.6 to 3
// times as fast; narrow ones (64) gain more in size than in time.
//
// The inputs of LSTM and MatMul become bytes by their range in the batch. So the other rows
// of a batch change a forecast by up to the quantization error, and [Compare] tries batches
// of several sizes. Conv takes its ranges from the calibration, and clips values outside
// them.
package quantize
