package space_test

import (
	"fmt"

	"github.com/attune-hpo/attune/space"
)

// draw takes the place of a trial: it returns the coordinates it holds.
type draw map[string]float64

func (d draw) Suggest(a space.Axis) float64 { return d[a.Name] }

// In this space, some parameters exist only for some values of others.
func Example() {
	booster := space.Categorical("booster", "gbdt", "dart")
	lr := space.Float("lr", 1e-5, 1e-1, space.Log())
	drop := space.Float("drop", 0, 0.5).When(booster.Is("dart"))
	s := space.Of(booster, lr, drop)

	for _, coordinate := range []float64{0, 1} {
		given := space.Params{Space: s[:1], Point: []float64{coordinate}}
		kind, _ := booster.Value(given)
		for _, a := range s {
			fmt.Printf("%s: %s exists: %t\n", kind, a.Name, a.Exists(given))
		}
	}
	// Output:
	// gbdt: booster exists: true
	// gbdt: lr exists: true
	// gbdt: drop exists: false
	// dart: booster exists: true
	// dart: lr exists: true
	// dart: drop exists: true
}

func ExampleFloat() {
	lr := space.Float("lr", 1e-5, 1e-1, space.Log())
	drop := space.Float("drop", 0, 0.5, space.Step(0.2))
	fmt.Println(space.Describe(lr.Axis().Distribution))
	fmt.Println(space.Describe(drop.Axis().Distribution))
	fmt.Println(lr.Suggest(draw{"lr": 0.003}))
	// Output:
	// float [1e-05, 0.1] log
	// float [0, 0.4] step 0.2
	// 0.003
}

func ExampleInt() {
	units := space.Int("units", 16, 512, space.Log())
	fmt.Println(units.Suggest(draw{"units": 64}), units.At(128))
	// Output: 64 {units 128}
}

func ExampleCategorical() {
	type Activation string
	f := space.Categorical[Activation]("activation", "relu", "tanh")
	fmt.Printf("%T %[1]v\n", f.Suggest(draw{"activation": 1}))
	// Output: space_test.Activation tanh
}

func ExampleParamOf() {
	a := space.Axis{Name: "lr", Distribution: space.FloatDistribution{Low: 1, High: 0}} // from a file, say
	_, err := space.ParamOf[float64](a)
	fmt.Println(err)
	// Output: space: parameter "lr": invalid declaration: low 1 exceeds high 0: swap them
}

func ExampleOf() {
	s := space.Of(space.Float("lr", 0, 1), space.Int("depth", 1, 12))
	fmt.Println(len(s), s.Index("depth"))
	// Output: 2 1
}

func ExampleParam_Value() {
	depth := space.Int("depth", 1, 12)
	best := space.Params{Space: space.Of(depth), Point: []float64{7}} // or the record of a trial
	d, ok := depth.Value(best)
	fmt.Println(d, ok)
	// Output: 7 true
}

func ExampleParam_Between() {
	layers := space.Int("layers", 1, 4)
	units := space.Int("units_2", 16, 256).When(layers.Between(2, 4))
	fmt.Println(units.Axis().Exists(space.Params{Space: space.Of(layers), Point: []float64{3}}))
	// Output: true
}

func ExampleLit() {
	fmt.Printf("%q %q %q\n", string(space.Lit(1.0)), string(space.Lit(1)), string(space.Lit("1")))
	// Output: "1.0" "1" "\"1\""
}

func ExampleParseLiteral() {
	l, err := space.ParseLiteral("1E-5")
	fmt.Println(l, err)
	// Output: 1e-05 <nil>
}

func ExampleParseDistribution() {
	d, err := space.ParseDistribution(`{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 9, "step": 2}}`)
	fmt.Println(d, err)
	// Output: {"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 1, "high": 9}} <nil>
}

func ExamplePool() {
	var pool space.Pool
	a := pool.Share(space.Of(space.Int("x", 0, 9)))
	b := pool.Share(space.Of(space.Int("x", 0, 9)))
	fmt.Println(&a[0] == &b[0])
	// Output: true
}

func ExampleParams_String() {
	lr, booster := space.Float("lr", 1e-5, 1e-1, space.Log()), space.Categorical("booster", "gbdt", "dart")
	p, err := space.Of(lr, booster).Params(lr.At(0.01), booster.At("dart"))
	fmt.Println(p, err)
	// Output: lr=0.01 booster=dart <nil>
}

func ExampleSpace_Corner() {
	kind := space.Categorical("kind", "tree", "line")
	depth := space.Int("depth", 2, 9, space.Step(3)).When(kind.Is("tree"))
	s := space.Of(space.Float("rate", 0.1, 0.5), kind, depth)
	for _, high := range []bool{false, true} {
		fmt.Print("high ", high, ":")
		for _, x := range s.Corner(nil, high) {
			fmt.Print(" ", x.Name, "=", x.Value)
		}
		fmt.Println()
	}
	// Output:
	// high false: rate=0.1 kind=tree depth=2
	// high true: rate=0.5 kind=line
}

func ExampleFinder() {
	s := space.Of(space.Int("depth", 1, 12), space.Float("rate", 0, 1))
	var find space.Finder
	fmt.Println(find.Index(s, "rate"), find.Index(s, "booster"))
	s = append(s, space.Categorical("booster", "gbdt", "dart").Axis())
	fmt.Println(find.Index(s, "booster"))
	// Output:
	// 1 -1
	// 2
}
