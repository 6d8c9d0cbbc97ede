//go:build !cgo

package runtime

import (
	"context"
	"errors"

	"github.com/attune-hpo/attune/export/tensor"
)

var errNoCgo = errors.New("this program was built without cgo, which ONNX Runtime needs: build it with CGO_ENABLED=1")

func load(string) (Library, error) { return Library{}, errNoCgo }

// An engine cannot exist without cgo.
type engine struct{}

type slot struct{}

func newEngine([]byte, []string, []string, Config, Provider) (*engine, error) { return nil, errNoCgo }
func (*engine) destroy()                                                      {}
func (*engine) run(context.Context, tensor.List, []Info) (tensor.List, error) { return nil, errNoCgo }
func (*engine) take(*layout, int) (*slot, error)                              { return nil, errNoCgo }
func (*engine) give(*slot)                                                    {}
func (*engine) predict(context.Context, *slot, []float64, []float64) error    { return errNoCgo }
