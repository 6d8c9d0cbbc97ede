// Package dense trains models of dense layers on plain tables: linear models ([Linear]: ridge
// regression for numbers, logistic regression for classes) and small networks ([MLP]).
//
// A model is a [pipeline.Model] whose inputs are the features as numbers. Its first nodes prepare them: a
// missing number becomes the mean, and an additional column marks it; numbers are centered, divided by their
// standard deviation and limited to ten deviations; each category becomes a column. Then come the layers. So a
// model predicts, is saved and is exported like any pipeline.
//
// [Fit] is deterministic: equal data, parameters and seeds give equal models.
package dense

import (
	"errors"

	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "dense"

var (
	// ErrSetting reports a hyperparameter that a style lacks, or an invalid value of one.
	ErrSetting = errors.New("bad setting")
	// ErrData reports rows that no model can be fitted to.
	ErrData = errors.New("bad data")
	// ErrUnsupported reports a model that cannot be explained.
	ErrUnsupported = errors.New("unsupported")
)
