// Package quantize makes the networks in ONNX models smaller and faster, and says what
// that costs.
//
//	small, err := quantize.Quantize(ctx, m, quantize.Options{Kind: quantize.Int8})
//	report, err := quantize.Gate{}.Compare(ctx, m, small, rows) // ErrWorse, with the figures
//
// A quantized model is another model: what its forecasts are worth is not known before
// a [Gate] has compared them with those of the model in Go. [Windows] makes the rows for
// that.
//
//	         what is stored as                     what is computed in      weights take
//	FP16     half precision                        float32                  1/2
//	Int8     bytes, a scale for each output        bytes                    1/4
//	           of LSTM: DynamicQuantizeLSTM, an operator of ONNX Runtime alone
//	           of MatMul: DynamicQuantizeLinear and MatMulInteger
//	           of Conv: QuantizeLinear and DequantizeLinear around it, calibrated
//
// Half precision costs all but nothing, and is no faster: the runtime turns the weights
// to float32 when it loads the model. Bytes are 1.6 to 3 times as fast in wide networks
// (256 units); in narrow ones (64) it is the file that gets smaller, more than the time.
//
// Of LSTM and MatMul, what goes in is turned to bytes by its range in the batch, as it
// comes: with other rows beside it a forecast is another, by up to the error of the
// quantization; so a Gate compares in batches of several sizes. Of Conv the ranges are
// those of the calibration, and what lies outside is cut off.
package quantize
