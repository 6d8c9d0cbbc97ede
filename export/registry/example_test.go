package registry_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/attune-hpo/attune/export/registry"
)

func Example() {
	dir, err := os.MkdirTemp("", "models")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	r, err := registry.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	for _, trial := range []string{"17", "42"} {
		v, err := r.Put(ctx, "demand", registry.Draft{
			Files: map[string]io.Reader{
				registry.ONNX:   strings.NewReader("the ONNX file"),
				registry.Native: strings.NewReader("the model it was made from"),
			},
			Meta: map[string]string{"trial": trial},
		})
		if err == nil {
			err = r.Promote(ctx, "demand", v.Number)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	live, err := r.Live("demand")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("live: version %d, of trial %s\n", live.Number, live.Meta["trial"])

	before, err := r.Rollback(ctx, "demand")
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := before.Read(registry.ONNX) // verified by its SHA-256
	fmt.Printf("rolled back: version %d, %d bytes, %v\n", before.Number, len(model), err)
	// Output:
	// live: version 2, of trial 42
	// rolled back: version 1, 13 bytes, <nil>
}
