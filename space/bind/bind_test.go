package bind_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/bind"
)

type Config struct {
	Booster string  `attune:"booster,choices=gbdt|dart"`
	LR      float64 `attune:"lr,min=1e-5,max=1e-1,log"`
	Depth   int     `attune:"depth,min=2,max=12,step=2"`
	Drop    float64 `attune:"drop,min=0,max=0.5,when=booster:dart"`
	Bagging bool    `attune:"bagging"`
	Threads int
}

// draw suggests fixed coordinates, and remembers what it was asked for.
type draw struct {
	at    map[string]float64
	asked []string
}

func (d *draw) Suggest(a space.Axis) float64 {
	d.asked = append(d.asked, a.Name)
	return d.at[a.Name]
}

func Example() {
	config := bind.Must(Config{Threads: 4})
	for _, a := range config.Space() {
		fmt.Println(a.Name, space.Describe(a.Distribution))
	}

	// In an objective the suggester is the trial.
	trial := &draw{at: map[string]float64{"booster": 0, "lr": 0.01, "depth": 6, "bagging": 1}}
	fmt.Printf("%+v\n", config.Suggest(trial))
	// Output:
	// booster one of [gbdt dart]
	// lr float [1e-05, 0.1] log
	// depth int [2, 12] step 2
	// drop float [0, 0.5]
	// bagging one of [false true]
	// {Booster:gbdt LR:0.01 Depth:6 Drop:0 Bagging:true Threads:4}
}

// Must is for declarations: a wrong tag panics at once.
func ExampleMust() {
	type Net struct {
		Units int     `attune:"units,min=16,max=512,log"`
		Drop  float64 `attune:"drop,min=0,max=0.5"`
	}
	net := bind.Must(Net{})
	fmt.Println(net.Suggest(&draw{at: map[string]float64{"units": 64, "drop": 0.1}}))

	defer func() { fmt.Println("panic:", recover()) }()
	type Wrong struct {
		Units int `attune:"units,min=16,max=5"`
	}
	bind.Must(Wrong{})
	// Output:
	// {64 0.1}
	// panic: bind: bind_test.Wrong: field Units: parameter "units": invalid declaration: low 16 exceeds high 5: swap them
}

func ExampleOf() {
	type Wrong struct {
		LR float64 `attune:"lr,min=1e-5,mx=1e-1"`
	}
	_, err := bind.Of(Wrong{})
	fmt.Println(err)
	// Output: bind: bind_test.Wrong: field LR: invalid declaration: unknown option "mx": want one of min, max, step, log, choices, when, where, normal, lognormal, weights
}

func ExampleBinding_Value() {
	config := bind.Must(Config{Threads: 4})
	best := space.Params{Space: config.Space(), Point: []float64{1, 0.003, 8, 0.25, 0}} // the record of a trial, say
	c, err := config.Value(best)
	fmt.Printf("%+v %v\n", c, err)
	// Output: {Booster:dart LR:0.003 Depth:8 Drop:0.25 Bagging:false Threads:4} <nil>
}

func ExampleBinding_Settings() {
	config := bind.Must(Config{})
	fmt.Println(config.Settings(Config{Booster: "gbdt", LR: 0.01, Depth: 6}))
	// Output: [{booster gbdt} {lr 0.01} {depth 6} {bagging false}]
}

type (
	kind  string
	level int8
	model struct {
		Units uint16  `attune:"units,min=16,max=512,log"`
		Rate  float32 `attune:",choices=0.1|1|2.5"`
		Skip  bool    `attune:"skip,when=units:100.."`
	}
	common struct {
		Seed int64 `attune:"seed,choices=1|2|3"`
	}
	Wide struct {
		common
		Kind   kind  `attune:"kind,choices=a|b|"`
		Level  level `attune:"level,min=-3,max=3"`
		First  model
		Second model   `attune:"2nd,when=kind:a|b,when=level:0..2"`
		Tail   float64 `attune:"tail,min=0,max=1,step=0.3,when=First.Rate:1,when=seed:2|3"`
		Not    model   `attune:"-"`
		hidden int     //lint:ignore U1000 what is not tagged may be unexported
		Notes  []string
		Left   struct{ Alone int }
	}
)

func TestSpace(t *testing.T) {
	b, err := bind.Of(Wide{})
	require.NoError(t, err)
	choices := func(ls ...space.Literal) space.Distribution { return &space.CategoricalDistribution{Choices: ls} }
	units := space.IntDistribution{Low: 16, High: 512, Step: 1, Log: true}
	rates := choices("0.1", "1.0", "2.5")
	truth := choices("false", "true")
	second := []space.Condition{{Name: "kind", Values: []space.Literal{`"a"`, `"b"`}}, {Name: "level", Low: 0, High: 2}}
	want := space.Space{
		{Name: "seed", Distribution: choices("1", "2", "3")},
		{Name: "kind", Distribution: choices(`"a"`, `"b"`, `""`)},
		{Name: "level", Distribution: space.IntDistribution{Low: -3, High: 3, Step: 1}},
		{Name: "First.units", Distribution: units},
		{Name: "First.Rate", Distribution: rates},
		{Name: "First.skip", Distribution: truth, When: []space.Condition{{Name: "First.units", Low: 100, High: math.Inf(1)}}},
		{Name: "2nd.units", Distribution: units, When: second},
		{Name: "2nd.Rate", Distribution: rates, When: second},
		{Name: "2nd.skip", Distribution: truth, When: append(second[:2:2], space.Condition{Name: "2nd.units", Low: 100, High: math.Inf(1)})},
		{Name: "tail", Distribution: space.FloatDistribution{High: 0.9, Step: 0.3}, When: []space.Condition{
			{Name: "First.Rate", Values: []space.Literal{"1.0"}}, {Name: "seed", Values: []space.Literal{"2", "3"}},
		}},
	}
	for i := range want {
		if len(want[i].When) == 0 {
			want[i].When = b.Space()[i].When // nil or empty
		}
	}
	assert.Equal(t, want, b.Space())
	b.Space()[0].Name = "changed"
	assert.Equal(t, "seed", b.Space()[0].Name)
}

func TestSuggest(t *testing.T) {
	b := bind.Must(Wide{Notes: []string{"kept"}, Second: model{Units: 7}})
	d := &draw{at: map[string]float64{"seed": 2, "kind": 2, "level": -2, "First.units": 512, "First.Rate": 1, "First.skip": 1, "tail": 0.6}}
	c := b.Suggest(d)
	assert.Equal(t, Wide{
		common: common{3}, Kind: "", Level: -2, First: model{512, 1, true}, Second: model{Units: 7}, Tail: 0.6, Notes: []string{"kept"},
	}, c)
	assert.Equal(t, []string{"seed", "kind", "level", "First.units", "First.Rate", "First.skip", "tail"}, d.asked,
		"what does not exist is not drawn")

	d = &draw{at: map[string]float64{"kind": 1, "level": 1, "First.units": 16, "2nd.units": 100, "2nd.Rate": 2, "2nd.skip": 1}}
	assert.Equal(t, Wide{
		common: common{1}, Kind: "b", Level: 1, First: model{16, 0.1, false}, Second: model{100, 2.5, true}, Notes: []string{"kept"},
	}, b.Suggest(d))
}

// TestRoundTrip: the suggested values equal those in the settings and those that are read back.
func TestRoundTrip(t *testing.T) {
	b := bind.Must(Wide{})
	d := &draw{at: map[string]float64{"seed": 1, "kind": 0, "level": 2, "First.units": 99, "First.Rate": 1, "2nd.units": 511, "tail": 0.3}}
	c := b.Suggest(d)
	settings := b.Settings(c)
	assert.Len(t, settings, len(d.asked))
	var record space.Params
	for _, s := range settings {
		a := b.Space()[b.Space().Index(s.Name)]
		x, err := a.Distribution.Encode(s.Value)
		require.NoError(t, err)
		assert.Equal(t, d.at[s.Name], x, s.Name)
		record.Space, record.Point = append(record.Space, a), append(record.Point, x)
	}
	back, err := b.Value(record)
	require.NoError(t, err)
	assert.Equal(t, c, back)
}

func TestFloat32Bounds(t *testing.T) {
	type narrow struct {
		X float32 `attune:"x,min=0.123456789,max=0.987654321"`
	}
	b := bind.Must(narrow{})
	for _, x := range []float64{0.123456789, 0.987654321, 0.5, 0.1234567891} {
		s := b.Settings(b.Suggest(&draw{at: map[string]float64{"x": x}}))
		_, err := b.Space()[0].Distribution.Encode(s[0].Value)
		assert.NoError(t, err, "%v became %v", x, s[0].Value)
	}
}

// values is a record of another make.
type values map[string]space.Literal

func (v values) Get(name string) (space.Literal, bool) { l, ok := v[name]; return l, ok }

func TestRead(t *testing.T) {
	b := bind.Must(Config{Threads: 2})
	best := func(change string, l space.Literal) values {
		v := values{"booster": `"dart"`, "lr": "0.5", "depth": "7", "drop": "1", "bagging": "true", "other": "5"}
		v[change] = l
		if l == "" {
			delete(v, change)
		}
		return v
	}
	c := Config{Threads: 9, Drop: 0.1}
	require.NoError(t, b.Read(best("other", "6"), &c))
	assert.Equal(t, Config{"dart", 0.5, 7, 1, true, 9}, c, "values beyond the bounds of today are read; the rest stays")
	c = Config{Threads: 9, Drop: 0.1}
	require.NoError(t, b.Read(best("booster", `"gbdt"`), &c))
	assert.Equal(t, 0.1, c.Drop, "its condition does not hold")
	require.NoError(t, b.Read(best("depth", "8.0"), &c))
	assert.Equal(t, 8, c.Depth, "a whole number is an int")

	for name, c := range map[string]struct {
		g    space.Getter
		is   error
		says string
	}{
		"missing":          {best("lr", ""), bind.ErrMissing, `"lr", for field LR`},
		"missing and due":  {best("drop", ""), bind.ErrMissing, `"drop", for field Drop`},
		"word for float":   {best("lr", `"0.5"`), space.ErrOutside, `parameter "lr": field LR`},
		"half for int":     {best("depth", "7.5"), space.ErrOutside, "7.5 does not fit type int"},
		"NaN for int":      {best("depth", "NaN"), space.ErrOutside, "NaN"},
		"huge for int":     {best("depth", "1e300"), space.ErrOutside, "1e300"},
		"number for bool":  {best("bagging", "1"), space.ErrOutside, "bagging"},
		"number for word":  {best("booster", "1"), space.ErrOutside, "booster"},
		"null for word":    {best("booster", "null"), space.ErrOutside, "null"},
		"list for word":    {best("booster", "[1]"), space.ErrOutside, "[1]"},
		"nothing but junk": {best("booster", "junk"), space.ErrOutside, "junk"},
	} {
		t.Run(name, func(t *testing.T) {
			before := Config{Booster: "before", LR: 1}
			after := before
			err := b.Read(c.g, &after)
			require.ErrorIs(t, err, c.is)
			assert.ErrorContains(t, err, c.says)
			assert.ErrorContains(t, err, "bind: ")
			assert.Equal(t, before, after)
			_, err = b.Value(c.g)
			assert.ErrorIs(t, err, c.is)
		})
	}

	narrow := bind.Must(Wide{})
	_, err := narrow.Value(values{"seed": "1", "kind": `"a"`, "level": "300"})
	assert.ErrorIs(t, err, space.ErrOutside, "300 is no int8")
	_, err = narrow.Value(values{"seed": "1", "kind": `""`, "level": "3", "First.units": "-1"})
	assert.ErrorIs(t, err, space.ErrOutside, "-1 is no uint16")
}

func TestInvalid(t *testing.T) {
	type inner struct {
		X int `attune:"x,min=0,max=1"`
	}
	for name, c := range map[string]struct {
		err  error
		says string
	}{
		"no struct": {of(5), "int: invalid declaration: want a struct"},
		"pointer":   {of(&Config{}), "want a struct"},
		"no tags":   {of(struct{ X int }{}), "no field is tagged"},
		"unexported": {of(struct {
			x int `attune:"x,min=0,max=1"`
		}{}), "field x: invalid declaration: it is not exported"},
		"nested hidden":  {of(struct{ in inner }{}), "field in: invalid declaration: it is not exported"},
		"nested pointer": {of(struct{ In *inner }{}), "field In: invalid declaration: tagged fields within a ptr"},
		"nested slice":   {of(struct{ In []inner }{}), "field In: invalid declaration: tagged fields within a slice"},
		"slice": {of(struct {
			X []int `attune:"x,min=0,max=1"`
		}{}), "field X: invalid declaration: type []int cannot be tuned"},
		"complex": {of(struct {
			X complex128 `attune:"x,min=0,max=1"`
		}{}), "type complex128 cannot be tuned"},
		"interface": {of(struct {
			X any `attune:"x,choices=1"`
		}{}), "cannot be tuned"},
		"no bounds": {of(struct {
			X int `attune:"x"`
		}{}), `option "min" is missing`},
		"no max": {of(struct {
			X int `attune:"x,min=1"`
		}{}), `option "max" is missing`},
		"min twice": {of(struct {
			X int `attune:"x,min=1,min=2,max=3"`
		}{}), `option "min" is duplicated`},
		"min empty": {of(struct {
			X int `attune:"x,min=,max=3"`
		}{}), `option "min" needs a value: write min=...`},
		"log value": {of(struct {
			X int `attune:"x,min=1,max=3,log=true"`
		}{}), `option "log" takes no value`},
		"unknown": {of(struct {
			X int `attune:"x,min=1,max=3,scale=log"`
		}{}), `unknown option "scale"`},
		"empty option": {of(struct {
			X int `attune:"x,min=1,,max=3"`
		}{}), `unknown option ""`},
		"bad number": {of(struct {
			X float64 `attune:"x,min=a,max=3"`
		}{}), `option "min": "a" is not a number`},
		"half an int": {of(struct {
			X int `attune:"x,min=0.5,max=3"`
		}{}), `option "min": "0.5" is not a number`},
		"step 0": {of(struct {
			X int `attune:"x,min=0,max=3,step=0"`
		}{}), `option "step": 0: it must be greater`},
		"step NaN": {of(struct {
			X float64 `attune:"x,min=0,max=3,step=NaN"`
		}{}), `option "step": NaN`},
		"reversed": {of(struct {
			X int `attune:"x,min=3,max=1"`
		}{}), `field X: parameter "x": invalid declaration: low 3 exceeds high 1`},
		"log from 0": {of(struct {
			X float64 `attune:"x,min=0,max=1,log"`
		}{}), `low 0 on a logarithmic scale`},
		"int8": {of(struct {
			X int8 `attune:"x,min=0,max=200"`
		}{}), `type int8 does not hold both 0 and 200`},
		"uint": {of(struct {
			X uint `attune:"x,min=-1,max=2"`
		}{}), `type uint does not hold both -1 and 2`},
		"float32": {of(struct {
			X float32 `attune:"x,min=0,max=1e300"`
		}{}), `type float32 does not reach that far`},
		"NaN": {of(struct {
			X float64 `attune:"x,min=NaN,max=1"`
		}{}), `finite`},
		"no choices": {of(struct {
			X string `attune:"x"`
		}{}), `option "choices" is missing`},
		"bounded word": {of(struct {
			X string `attune:"x,min=0,max=1"`
		}{}), `option "min": type string with choices`},
		"bounded choice": {of(struct {
			X int `attune:"x,choices=1|2,max=1"`
		}{}), `option "max": type int with choices`},
		"choice no int": {of(struct {
			X int `attune:"x,choices=1|two"`
		}{}), `option "choices": "two" is no int`},
		"choice no bool": {of(struct {
			X bool `attune:"x,choices=yes|no"`
		}{}), `option "choices": "yes" is no bool`},
		"choice empty": {of(struct {
			X int `attune:"x,choices="`
		}{}), `option "choices": "" is no int`},
		"choice twice": {of(struct {
			X string `attune:"x,choices=a|a"`
		}{}), `"a" is duplicated`},
		"name twice": {of(struct {
			X, Y int `attune:"x,min=0,max=1"`
		}{}), `field Y: invalid declaration: parameter "x" is duplicated`},
		"option of all": {of(struct {
			In inner `attune:"in,min=0"`
		}{}), `field In: invalid declaration: option "min": a struct has none but when`},
		"when alone": {of(struct {
			X int `attune:"x,min=0,max=1,when=y"`
		}{}), `option "when": "y": want when=parameter:value`},
		"when of later": {of(struct {
			X int `attune:"x,min=0,max=1,when=y:1"`
		}{}), `option "when": no parameter "y" is declared before`},
		"when no choice": {of(struct {
			X string `attune:"x,choices=a"`
			Y int    `attune:"y,min=0,max=1,when=x:b"`
		}{}), `"b" is not one of [a]`},
		"when no number": {of(struct {
			X int `attune:"x,min=0,max=1"`
			Y int `attune:"y,min=0,max=1,when=x:b"`
		}{}), `option "when": "x:b"`},
		"when no range": {of(struct {
			X int `attune:"x,min=0,max=1"`
			Y int `attune:"y,min=0,max=1,when=x:a..2"`
		}{}), `option "when": "x:a..2"`},
		"when reversed": {of(struct {
			X int `attune:"x,min=0,max=1"`
			Y int `attune:"y,min=0,max=1,when=x:2..1"`
		}{}), `between 2 and 1`},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, c.err, space.ErrInvalid)
			assert.ErrorContains(t, c.err, "bind: ")
			assert.ErrorContains(t, c.err, c.says)
		})
	}
	assert.PanicsWithError(t, of(struct{ X int }{}).Error(), func() { bind.Must(struct{ X int }{}) })
}

func of[T any](defaults T) error {
	_, err := bind.Of(defaults)
	return err
}

func TestPointRange(t *testing.T) {
	type config struct {
		X int `attune:"x,min=0,max=9"`
		Y int `attune:"y,min=0,max=9,when=x:3..3"`
		Z int `attune:"z,min=0,max=9,when=x:3|5"`
	}
	b := bind.Must(config{})
	for x, want := range map[float64][]string{3: {"x", "y", "z"}, 4: {"x"}, 5: {"x", "z"}} {
		d := &draw{at: map[string]float64{"x": x}}
		b.Suggest(d)
		assert.Equal(t, want, d.asked, x)
	}
}

func TestWhere(t *testing.T) {
	type Window struct {
		Low  float64 `attune:"low,min=0,max=1"`
		High float64 `attune:"high,min=0,max=1,where=low<high,where=high + rate <= 1.5"`
	}
	type Config struct {
		Rate float64 `attune:"rate,min=0,max=1"`
		In   Window  `attune:"in"`
		Size int     `attune:"size,choices=1|2|4,where=size * in.high <= 3"`
	}
	b, err := bind.Of(Config{})
	require.NoError(t, err)
	var texts []string
	for _, c := range b.Space().Constraints() {
		texts = append(texts, c.Text)
	}
	assert.Equal(t, []string{"in.low<in.high", "in.high + rate <= 1.5", "size * in.high <= 3"}, texts)

	type Wrong struct {
		Low float64 `attune:"low,min=0,max=1,where=low<high"`
	}
	_, err = bind.Of(Wrong{})
	require.ErrorIs(t, err, space.ErrInvalid)
	assert.ErrorContains(t, err, `field Low: parameter "low": invalid declaration: constraint "low<high": "high" is not declared before it: declare it first`)
}

func TestPriors(t *testing.T) {
	type Config struct {
		Rate    float64 `attune:"rate,min=1e-5,max=1,log,lognormal=1e-3:3"`
		Depth   int     `attune:"depth,min=1,max=9,normal=4:1.5"`
		Booster string  `attune:"booster,choices=gbdt|dart,weights=5|1"`
	}
	b, err := bind.Of(Config{})
	require.NoError(t, err)
	for i, want := range []space.Prior{space.LogNormal(1e-3, 3), space.Normal(4, 1.5), space.Weights(5, 1)} {
		assert.Equal(t, want, *b.Space()[i].Prior)
	}
	type Wrong struct {
		Depth int `attune:"depth,min=1,max=9,normal=4"`
	}
	_, err = bind.Of(Wrong{})
	require.ErrorIs(t, err, space.ErrInvalid)
	assert.ErrorContains(t, err, `field Depth: invalid declaration: option "normal": "4": want two numbers with a colon between`)
}
