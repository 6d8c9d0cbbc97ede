package model_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/gonum/mat"

	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// A polynomial is a model of one variable: Σ Coefficients[i] xⁱ.
type polynomial struct {
	Coefficients []float64
	origin       model.Origin
}

func (p polynomial) at(x float64) float64 {
	y := 0.0
	for i := len(p.Coefficients) - 1; i >= 0; i-- {
		y = y*x + p.Coefficients[i]
	}
	return y
}

// polynomials are fitted to points, with a penalty on large coefficients. Every third point
// is held out to judge them.
type polynomials struct{ x, y []float64 }

func (polynomials) Name() string         { return "polynomial" }
func (polynomials) Metric() model.Metric { return meanSquare{} }
func (polynomials) Space() space.Space {
	return space.Of(space.Int("degree", 0, 9), space.Float("ridge", 1e-9, 1, space.Log()))
}

// Facts are the points.
func (k polynomials) Facts() []model.Fact {
	return []model.Fact{{Name: "points", Value: len(k.x)}, {Name: "data", Value: model.Fingerprint(fmt.Sprint(k.x, k.y))}}
}

// Train fits one polynomial to two thirds of the points, to judge it, and one to all.
func (k polynomials) Train(ctx context.Context, t *study.Trial, o model.Origin) (polynomial, error) {
	var train, test polynomials
	for i := range k.x {
		part := &train
		if i%3 == 0 {
			part = &test
		}
		part.x, part.y = append(part.x, k.x[i]), append(part.y, k.y[i])
	}
	judged, err := train.Fit(ctx, o)
	if err != nil {
		return polynomial{}, err
	}
	for i, x := range test.x {
		o.Value += math.Pow(judged.at(x)-test.y[i], 2) / float64(len(test.x))
	}
	return k.Fit(ctx, o)
}

// Fit solves the normal equations.
func (k polynomials) Fit(_ context.Context, o model.Origin) (polynomial, error) {
	degree, _ := o.Settings.Get("degree")
	ridge, _ := o.Settings.Get("ridge")
	n := int(degree.Any().(int64)) + 1
	a := mat.NewDense(len(k.x), n, nil)
	for i, x := range k.x {
		for j := range n {
			a.Set(i, j, math.Pow(x, float64(j)))
		}
	}
	var left mat.Dense
	left.Mul(a.T(), a)
	for j := range n {
		left.Set(j, j, left.At(j, j)+ridge.Any().(float64))
	}
	var right, c mat.VecDense
	right.MulVec(a.T(), mat.NewVecDense(len(k.y), k.y))
	if err := c.SolveVec(&left, &right); err != nil {
		return polynomial{}, err
	}
	return polynomial{c.RawVector().Data, o}, nil
}

func (polynomials) Origin(p polynomial) model.Origin { return p.origin }

func (polynomials) Write(p polynomial, path string) error {
	data, err := model.Seal("polynomial", 1, p.origin, p)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644) // a partial file would lack the checksum and not be read
}

func (polynomials) Read(path string) (p polynomial, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	p.origin, err = model.Unseal(data, "polynomial", 1, &p)
	return p, err
}

type meanSquare struct{}

func (meanSquare) Name() string             { return "mse" }
func (meanSquare) Maximize() bool           { return false }
func (meanSquare) Better(a, b float64) bool { return a < b }

// parabola returns points of x² - x.
func parabola() polynomials {
	var k polynomials
	for i := range 30 {
		x := float64(i)/15 - 1
		k.x, k.y = append(k.x, x), append(k.y, x*x-x)
	}
	return k
}

// You can tune a kind of model of your own like those of attune.
func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	task := model.Task[polynomial]{Kind: parabola(), Folder: folder}
	st, err := study.Open(ctx, new(memory.Store), "parabola", task.Config(tpe.New(tpe.Config{}), nil))
	if err != nil {
		panic(err)
	}
	defer st.Close()
	if err := task.Optimize(ctx, st, study.Run{Trials: 40}); err != nil {
		panic(err)
	}
	best, err := task.Best(ctx, st)
	if err != nil {
		panic(err)
	}
	fmt.Printf("at 2 it is %.1f\n", best.at(2))
	fmt.Println(filepath.Base(model.Path(folder, "parabola")))
	// Output:
	// at 2 it is 2.0
	// model-parabola.json
}
