package space_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
)

// most is the greatest integer of a distribution.
const most = min(1<<53, math.MaxInt/2)

func recovered(f func()) (err error) {
	defer func() { err, _ = recover().(error) }()
	f()
	return nil
}

// TestInvalid: an impossible declaration is refused. The error has the parameter, the value and the way out.
func TestInvalid(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	list := func(choices ...space.Literal) space.Distribution {
		return &space.CategoricalDistribution{Choices: choices}
	}
	on := func(c space.Condition) func() {
		return func() {
			space.Of(space.Int("d", 1, 9), space.Categorical("c", "a", "b"), space.Float("x", 0, 1).When(c))
		}
	}
	axis := func(d space.Distribution) func() {
		return func() { space.Of(space.Axis{Name: "x", Distribution: d}) }
	}
	for name, c := range map[string]struct {
		declare func()
		says    []string
	}{
		"float reversed":         {func() { space.Float("x", 2, 1) }, []string{"low 2 exceeds high 1", "swap"}},
		"float low NaN":          {func() { space.Float("x", nan, 1) }, []string{"NaN", "finite"}},
		"float high NaN":         {func() { space.Float("x", 1, nan) }, []string{"NaN", "finite"}},
		"float infinite":         {func() { space.Float("x", 0, inf) }, []string{"+Inf", "finite"}},
		"float too wide":         {func() { space.Float("x", -1.7e308, 1.7e308) }, []string{"overflows", "narrow"}},
		"float log from 0":       {func() { space.Float("x", 0, 1, space.Log()) }, []string{"low 0", "greater than 0"}},
		"float log below 0":      {func() { space.Float("x", -1, 1, space.Log()) }, []string{"low -1", "greater than 0"}},
		"float step below 0":     {func() { space.Float("x", 0, 1, space.Step(-1)) }, []string{"step -1", "positive"}},
		"float step NaN":         {func() { space.Float("x", 0, 1, space.Step(nan)) }, []string{"step NaN", "positive"}},
		"float step infinite":    {func() { space.Float("x", 0, 1, space.Step(inf)) }, []string{"step +Inf", "positive"}},
		"float log and step":     {func() { space.Float("x", 1, 2, space.Step(1), space.Log()) }, []string{"step 1", "leave out"}},
		"float step too small":   {func() { space.Float("x", 0, 1, space.Step(1e-300)) }, []string{"1e-300", "larger step"}},
		"int reversed":           {func() { space.Int("x", 2, 1) }, []string{"low 2 exceeds high 1", "swap"}},
		"int log from 0":         {func() { space.Int("x", 0, 9, space.Log()) }, []string{"low 0", "at least 1"}},
		"int log and step":       {func() { space.Int("x", 1, 9, space.Log(), space.Step(2)) }, []string{"step 2", "leave out"}},
		"int step below 0":       {func() { space.Int("x", 1, 9, space.Step(-2)) }, []string{"step -2", "at least 1"}},
		"int step of a half":     {func() { space.Int("x", 1, 9, space.Step(0.5)) }, []string{"step 0.5", "whole number"}},
		"int step NaN":           {func() { space.Int("x", 1, 9, space.Step(nan)) }, []string{"step NaN", "whole number"}},
		"int too large":          {func() { space.Int("x", 0, most+1) }, []string{fmt.Sprint(most + 1), fmt.Sprint("±", most)}},
		"int extremes":           {func() { space.Int("x", math.MinInt, math.MaxInt) }, []string{fmt.Sprint("±", most)}},
		"no choices":             {func() { space.Categorical[string]("x") }, []string{"no choices", "at least one"}},
		"choice twice":           {func() { space.Categorical("x", "a", "b", "a") }, []string{`"a" is duplicated`, "once"}},
		"NaN twice":              {func() { space.Categorical("x", nan, nan) }, []string{"NaN is duplicated"}},
		"choice without quotes":  {axis(list("relu")), []string{`"relu"`, "space.Lit"}},
		"choice not canonical":   {axis(list("1e3")), []string{`"1e3"`, "space.Lit"}},
		"no name":                {func() { space.Of(space.Float("", 0, 1)) }, []string{"parameter 0", "no name"}},
		"name twice":             {func() { space.Of(space.Float("x", 0, 1), space.Int("x", 0, 1)) }, []string{`"x" is duplicated`}},
		"no distribution":        {func() { space.Of(space.Axis{Name: "x"}) }, []string{"no distribution"}},
		"condition on later":     {on(space.Int("later", 0, 1).Is(1)), []string{`"later"`, "not declared before it"}},
		"condition on itself":    {on(space.Float("x", 0, 1).Is(1)), []string{`"x"`, "not declared before it"}},
		"condition on no value":  {on(space.Int("d", 1, 9).Is()), []string{`"d"`, "name its values"}},
		"condition never met":    {on(space.Int("d", 1, 99).Is(50)), []string{`"d"`, "50", "int [1, 9]"}},
		"condition on no choice": {on(space.Categorical("c", "z").Is("z")), []string{`"c"`, "one of the choices"}},
		"condition reversed":     {on(space.Int("d", 1, 9).Between(5, 2)), []string{"between 5 and 2", "in order"}},
		"choices between":        {on(space.Categorical("c", "a", "b").Between("a", "b")), []string{`"c"`, "name the values"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := recovered(c.declare)
			require.ErrorIs(t, err, space.ErrInvalid)
			for _, s := range append(c.says, "space: ") {
				assert.ErrorContains(t, err, s)
			}
			if strings.Contains(name, "float") || strings.Contains(name, "int") {
				assert.ErrorContains(t, err, `parameter "x"`)
			}
		})
	}
}

func TestParseDistributionRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"":                               "want a value",
		"[]":                             "name",
		`{"name": "NormalDistribution"}`: "NormalDistribution",
		`{"name": "FloatDistribution"}`:  "low: want a number",
		`{"name": "FloatDistribution", "attributes": {"low": "0", "high": 1}}`:                   "low: want a number",
		`{"name": "FloatDistribution", "attributes": {"low": 2, "high": 1}}`:                     "swap",
		`{"name": "FloatDistribution", "attributes": {"low": NaN, "high": 1}}`:                   "finite",
		`{"name": "FloatDistribution", "attributes": {"low": 1, "high": 2, "log": 1}}`:           "log: want true or false",
		`{"name": "IntDistribution", "attributes": {"low": 0.5, "high": 1}}`:                     "low 0.5",
		`{"name": "IntDistribution", "attributes": {"low": 0, "high": 1, "step": 1.5}}`:          "step 1.5",
		`{"name": "IntDistribution", "attributes": {"low": 0, "high": 1e300}}`:                   "1e+300: want an integer within",
		`{"name": "IntDistribution", "attributes": {"low": 0, "high": 9007199254740993}}`:        "high 9007199254740993: want an integer within",
		`{"name": "CategoricalDistribution", "attributes": {"choices": []}}`:                     "no choices",
		`{"name": "CategoricalDistribution", "attributes": {"choices": "ab"}}`:                   "choices: want a list",
		`{"name": "CategoricalDistribution", "attributes": {}}`:                                  "choices: want a list",
		`{"name": "DiscreteUniformDistribution", "attributes": {"low": 0, "high": 1, "q": "x"}}`: "q: want a number",
	} {
		_, err := space.ParseDistribution(text)
		assert.ErrorIs(t, err, space.ErrInvalid, text)
		assert.ErrorContains(t, err, says, text)
	}
}

func TestParseDistributionReads(t *testing.T) {
	for text, want := range map[string]space.Distribution{
		`{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}`:                             space.FloatDistribution{High: 1},
		`{"name": "LogUniformDistribution", "attributes": {"low": 0.1, "high": 1.0}}`:                          space.FloatDistribution{Low: 0.1, High: 1, Log: true},
		`{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 1.0, "q": 0.4}}`:           space.FloatDistribution{High: 0.8, Step: 0.4},
		`{"name": "IntUniformDistribution", "attributes": {"low": 0, "high": 9, "step": 2}}`:                   space.IntDistribution{High: 8, Step: 2},
		`{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 9, "step": 1}}`:                space.IntDistribution{Low: 1, High: 9, Step: 1, Log: true},
		`{"attributes": {"high": 1, "low": 0, "log": false}, "name": "FloatDistribution"}`:                     space.FloatDistribution{High: 1},
		`{"type": "float", "low": 0, "high": 1, "step": 0.5}`:                                                  space.FloatDistribution{High: 1, Step: 0.5},
		`{"type": "int", "low": 1, "high": 4, "log": true}`:                                                    space.IntDistribution{Low: 1, High: 4, Step: 1, Log: true},
		`{"type": "categorical", "choices": ["a", 1]}`:                                                         &space.CategoricalDistribution{Choices: []space.Literal{`"a"`, "1"}},
		`{"name": "CategoricalDistribution", "attributes": {"choices": [1, 1, [64,32], {"b": 1, "a": null}]}}`: &space.CategoricalDistribution{Choices: []space.Literal{"1", "1", "[64, 32]", `{"b": 1, "a": null}`}},
	} {
		d, err := space.ParseDistribution(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, d, text)
	}
}

func TestContains(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, c := range map[string]struct {
		d   space.Distribution
		in  []float64
		out []float64
	}{
		"float":   {space.FloatDistribution{Low: -1, High: 1}, []float64{-1, 0, 1}, []float64{nan, inf, -inf, math.Nextafter(1, 2)}},
		"grid":    {space.FloatDistribution{High: 1, Step: 0.1}, []float64{0, 0.1, 0.3, 0.1 * 3, 1}, []float64{0.05, 0.30001, 1.1, nan}},
		"int":     {space.IntDistribution{Low: -3, High: 5, Step: 4}, []float64{-3, 1, 5}, []float64{-4, 0, 1.5, 9, nan, inf}},
		"step 0":  {space.IntDistribution{High: 2}, []float64{0, 1, 2}, []float64{0.5, 3}},
		"largest": {space.IntDistribution{Low: -most, High: most, Step: 3}, []float64{-most, -most + 3}, []float64{-most + 1, -most + 2}},
		"choices": {&space.CategoricalDistribution{Choices: []space.Literal{"1", "2"}}, []float64{0, 1}, []float64{-1, 0.5, 2, nan, inf}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, x := range c.in {
				assert.True(t, c.d.Contains(x), "%v", x)
			}
			for _, x := range c.out {
				assert.False(t, c.d.Contains(x), "%v", x)
			}
		})
	}
}

func TestNormalizeTwiceIsOnce(t *testing.T) {
	for _, d := range []space.FloatDistribution{
		{Low: -7189402.814548511, High: -7189401.910266329, Step: 9.995381697451344e-05},
		{High: 1, Step: 0.3}, {Low: 0.1, High: 0.7, Step: 0.1}, {High: 2 * most, Step: 3}, {Low: 1e15, High: 1e15 + 10, Step: 0.3},
	} {
		once, err := d.Normalize()
		require.NoError(t, err)
		twice, err := once.Normalize()
		require.NoError(t, err)
		assert.Equal(t, once, twice)
	}
}

func TestEncode(t *testing.T) {
	float, err := space.FloatDistribution{High: 10}.Encode("3")
	require.NoError(t, err)
	assert.Equal(t, 3.0, float, "an integer is a real number")
	integer, err := space.IntDistribution{High: 10}.Encode("3.0")
	require.NoError(t, err)
	assert.Equal(t, 3.0, integer)
	kinds := &space.CategoricalDistribution{Choices: []space.Literal{"1", "1.0", `"1"`, "true", "null"}}
	for i, c := range kinds.Choices {
		x, err := kinds.Encode(c)
		require.NoError(t, err)
		assert.Equal(t, float64(i), x)
	}
	for name, c := range map[string]struct {
		d    space.Distribution
		l    space.Literal
		says string
	}{
		"beyond":        {space.FloatDistribution{High: 1}, "2.0", "2.0 is not in float [0, 1]"},
		"NaN":           {space.FloatDistribution{High: 1}, "NaN", "NaN is not in"},
		"infinite":      {space.FloatDistribution{High: 1}, "-Infinity", "-Infinity is not in"},
		"hexadecimal":   {space.FloatDistribution{High: 100}, "0x1p-2", "not a number"},
		"underscore":    {space.FloatDistribution{High: 100}, "1_0", "not a number"},
		"empty":         {space.FloatDistribution{High: 100}, "", "not a number"},
		"word":          {space.IntDistribution{High: 1}, `"a"`, "not a number"},
		"truth":         {space.IntDistribution{High: 1}, "true", "not a number"},
		"half":          {space.IntDistribution{High: 1}, "0.5", "0.5 is not in int [0, 1]"},
		"other spelled": {&space.CategoricalDistribution{Choices: []space.Literal{"1"}}, "1.0", "one of the choices [1]"},
	} {
		_, err := c.d.Encode(c.l)
		assert.ErrorIs(t, err, space.ErrOutside, name)
		assert.ErrorContains(t, err, c.says, name)
	}
}

func TestDescribe(t *testing.T) {
	for want, d := range map[string]space.Distribution{
		"float [1e-05, 0.1] log": space.FloatDistribution{Low: 1e-5, High: 0.1, Log: true},
		"float [0, 1] step 0.1":  space.FloatDistribution{High: 1, Step: 0.1},
		"float [0, 1]":           space.FloatDistribution{High: 1},
		"int [1, 9] step 2":      space.IntDistribution{Low: 1, High: 9, Step: 2},
		"int [1, 9] log":         space.IntDistribution{Low: 1, High: 9, Log: true},
		"int [0, 9]":             space.IntDistribution{High: 9, Step: 1},
		"one of [relu tanh]":     &space.CategoricalDistribution{Choices: []space.Literal{`"relu"`, `"tanh"`}},
	} {
		assert.Equal(t, want, space.Describe(d))
	}
}

func TestEqualAndCompatible(t *testing.T) {
	choices := func(ls ...space.Literal) space.Distribution { return &space.CategoricalDistribution{Choices: ls} }
	for name, c := range map[string]struct {
		a, b              space.Distribution
		equal, compatible bool
	}{
		"same":             {space.FloatDistribution{High: 1}, space.FloatDistribution{High: 1}, true, true},
		"other bounds":     {space.FloatDistribution{High: 1}, space.FloatDistribution{High: 2}, false, true},
		"other step":       {space.FloatDistribution{High: 1}, space.FloatDistribution{High: 1, Step: 0.5}, false, true},
		"other scale":      {space.FloatDistribution{Low: 1, High: 2}, space.FloatDistribution{Low: 1, High: 2, Log: true}, false, false},
		"float and int":    {space.FloatDistribution{High: 1}, space.IntDistribution{High: 1}, false, false},
		"step 0 and 1":     {space.IntDistribution{High: 1}, space.IntDistribution{High: 1, Step: 1}, true, true},
		"other int scale":  {space.IntDistribution{Low: 1, High: 2}, space.IntDistribution{Low: 1, High: 2, Log: true}, false, false},
		"same choices":     {choices("1", "2"), choices("1", "2"), true, true},
		"other order":      {choices("1", "2"), choices("2", "1"), false, false},
		"other spelling":   {choices("1"), choices("1.0"), false, false},
		"choice and float": {choices("1"), space.FloatDistribution{}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.equal, space.Equal(c.a, c.b))
			assert.Equal(t, c.equal, space.Equal(c.b, c.a))
			assert.Equal(t, c.compatible, space.Compatible(c.a, c.b))
			assert.Equal(t, c.compatible, space.Compatible(c.b, c.a))
		})
	}
}

type booster string

// at suggests fixed coordinates.
type at map[string]float64

func (a at) Suggest(axis space.Axis) float64 { return a[axis.Name] }

func TestParam(t *testing.T) {
	lr := space.Float("lr", 1e-5, 1e-1, space.Log())
	depth := space.Int("depth", 1, 10, space.Step(4))
	kind := space.Categorical[booster]("booster", "gbdt", "dart")
	narrow := space.Categorical("narrow", float32(0.1), 2)
	draw := at{"lr": 0.01, "depth": 9, "booster": 1, "narrow": 0}

	assert.Equal(t, 0.01, lr.Suggest(draw))
	assert.Equal(t, 9, depth.Suggest(draw))
	assert.Equal(t, booster("dart"), kind.Suggest(draw))
	assert.Equal(t, float32(0.1), narrow.Suggest(draw))

	assert.Equal(t, []space.Setting{{"lr", "0.001"}, {"depth", "5"}, {"booster", `"dart"`}, {"narrow", "0.1"}},
		[]space.Setting{lr.At(0.001), depth.At(5), kind.At("dart"), narrow.At(0.1)})
	assert.Equal(t, "int [1, 9] step 4", space.Describe(depth.Axis().Distribution), "an upper bound off the grid is lowered")
	assert.Equal(t, "lr", lr.Name())
}

// The zero Param panics with a message, rather than with a nil dereference.
func TestZeroParam(t *testing.T) {
	var p space.Param[string]
	for name, f := range map[string]func(){
		"suggest": func() { p.Suggest(at{}) },
		"at":      func() { p.At("a") },
		"is":      func() { p.Is() },
		"between": func() { p.Between("a", "b") },
		"of":      func() { space.Of(p) },
	} {
		t.Run(name, func(t *testing.T) {
			err := recovered(f)
			require.ErrorIs(t, err, space.ErrInvalid)
			if name != "of" {
				assert.ErrorContains(t, err, "a zero space.Param[string] is not a parameter: declare it with")
			}
		})
	}
	assert.Empty(t, p.Name())
	_, ok := p.Value(space.Params{})
	assert.False(t, ok)
	_, ok = p.Value(space.Settings{{"", `"a"`}})
	assert.False(t, ok, "whatever there is")
}

func TestNormalizeWithoutDistribution(t *testing.T) {
	for name, d := range map[string]space.Distribution{
		"nil":             nil,
		"nil categorical": (*space.CategoricalDistribution)(nil),
		"nil float":       (*space.FloatDistribution)(nil),
		"nil int":         (*space.IntDistribution)(nil),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := space.Space{{Name: "x", Distribution: d}}.Normalize()
			require.ErrorIs(t, err, space.ErrInvalid)
			assert.ErrorContains(t, err, `parameter "x" has no distribution`)
			_, err = space.ParamOf[string](space.Axis{Name: "x", Distribution: d})
			require.ErrorIs(t, err, space.ErrInvalid)
		})
	}
	_, err := (*space.CategoricalDistribution)(nil).Normalize()
	require.ErrorIs(t, err, space.ErrInvalid)
}

func TestSettings(t *testing.T) {
	var g space.Getter = space.Settings([]space.Setting{{"a", "1"}, {"b", "2"}, {"a", "3"}})
	for name, want := range map[string]space.Literal{"a": "1", "b": "2"} {
		l, ok := g.Get(name)
		assert.True(t, ok)
		assert.Equal(t, want, l)
	}
	_, ok := g.Get("c")
	assert.False(t, ok)
	_, ok = space.Settings(nil).Get("a")
	assert.False(t, ok)
}

func TestParamValue(t *testing.T) {
	record := space.Params{
		Space: space.Of(space.Float("lr", 0, 100), space.Categorical("booster", "rf", "dart", "gbdt"), space.Int("depth", 1, 100)),
		Point: []float64{50, 2, 7},
	}
	kind := space.Categorical[booster]("booster", "gbdt", "dart")
	v, ok := kind.Value(record)
	assert.True(t, ok)
	assert.Equal(t, booster("gbdt"), v, "found by value, not by place")
	depth, ok := space.Int("depth", 1, 10).Value(record)
	assert.True(t, ok)
	assert.Equal(t, 7, depth)
	lr, ok := space.Float("depth", 1, 10).Value(record)
	assert.True(t, ok)
	assert.Equal(t, 7.0, lr, "an integer is a real number")

	_, ok = space.Float("lr", 0, 1).Value(record)
	assert.False(t, ok, "outside")
	_, ok = space.Float("missing", 0, 1).Value(record)
	assert.False(t, ok)
	_, ok = space.Int("booster", 0, 9).Value(record)
	assert.False(t, ok, "not a number")
	_, ok = space.Categorical("booster", "rf").Value(record)
	assert.False(t, ok, "not a choice")
}

func TestParamOf(t *testing.T) {
	choices := func(ls ...space.Literal) space.Axis {
		return space.Axis{Name: "x", Distribution: &space.CategoricalDistribution{Choices: ls}}
	}
	words, err := space.ParamOf[string](choices(`"a"`, `"\u00e9"`))
	require.NoError(t, err)
	assert.Equal(t, "é", words.Suggest(at{"x": 1}))
	assert.Equal(t, space.Setting{"x", `"\u00e9"`}, words.At("é"))
	assert.Equal(t, space.Setting{"x", `"none such"`}, words.At("none such"), "a literal, if one of the choices")
	sizes, err := space.ParamOf[int](choices("16", "32"))
	require.NoError(t, err)
	assert.Equal(t, 32, sizes.Suggest(at{"x": 1}))
	mixed, err := space.ParamOf[any](choices("1", "1.0", `"1"`, "true", "null", "[1, 2]"))
	require.NoError(t, err)
	for i, want := range []any{int64(1), 1.0, "1", true, nil, []any{int64(1), int64(2)}} {
		assert.Equal(t, want, mixed.Suggest(at{"x": float64(i)}))
		l := mixed.Axis().Distribution.(*space.CategoricalDistribution).Choices[i]
		assert.Equal(t, l, mixed.At(want).Value)
	}

	for name, err := range map[string]error{
		"int of float":    second(space.ParamOf[int](space.Float("x", 0, 1).Axis())),
		"float of int":    second(space.ParamOf[float64](space.Int("x", 0, 1).Axis())),
		"string of int":   second(space.ParamOf[string](choices("1"))),
		"string of mixed": second(space.ParamOf[string](choices(`"a"`, "1"))),
		"string of null":  second(space.ParamOf[string](choices(`"a"`, "null"))),
		"reversed":        second(space.ParamOf[int](space.Axis{Name: "x", Distribution: space.IntDistribution{Low: 1}})),
		"no distribution": second(space.ParamOf[int](space.Axis{Name: "x"})),
	} {
		assert.ErrorIs(t, err, space.ErrInvalid, name)
		assert.ErrorContains(t, err, `parameter "x"`, name)
	}
}

func second[T any](_ T, err error) error { return err }

func TestConditions(t *testing.T) {
	kind := space.Categorical("kind", "a", "b", "c")
	depth := space.Int("depth", 1, 10)
	rate := space.Float("rate", 0, 2)
	s := space.Of(kind, depth, rate)
	given := func(kind, depth, rate float64) space.Params {
		return space.Params{Space: s, Point: []float64{kind, depth, rate}}
	}
	for name, c := range map[string]struct {
		when []space.Condition
		g    space.Getter
		want bool
	}{
		"none":              {nil, space.Params{}, true},
		"missing":           {[]space.Condition{kind.Is("a")}, space.Params{}, false},
		"one of":            {[]space.Condition{kind.Is("a", "b")}, given(1, 1, 0), true},
		"none of":           {[]space.Condition{kind.Is("a", "b")}, given(2, 1, 0), false},
		"low end":           {[]space.Condition{depth.Between(3, 5)}, given(0, 3, 0), true},
		"high end":          {[]space.Condition{depth.Between(3, 5)}, given(0, 5, 0), true},
		"below":             {[]space.Condition{depth.Between(3, 5)}, given(0, 2, 0), false},
		"all hold":          {[]space.Condition{kind.Is("a"), depth.Between(3, 5)}, given(0, 4, 0), true},
		"one does not":      {[]space.Condition{kind.Is("a"), depth.Between(3, 5)}, given(1, 4, 0), false},
		"whole float":       {[]space.Condition{rate.Is(1)}, given(0, 1, 1), true},
		"integer for float": {[]space.Condition{{Name: "rate", Values: []space.Literal{"1"}}}, given(0, 1, 1), true},
	} {
		t.Run(name, func(t *testing.T) {
			whole := space.Of(kind, depth, rate, space.Float("x", 0, 1).When(c.when...))
			assert.Equal(t, c.want, whole[3].Exists(c.g))
		})
	}
}

func TestWhenLeavesTheParamAlone(t *testing.T) {
	a, b := space.Int("a", 0, 1), space.Int("b", 0, 1)
	x := space.Float("x", 0, 1).When(a.Is(1))
	first, second := x.When(b.Is(0)), x.When(b.Is(1))
	assert.Len(t, x.Axis().When, 1)
	assert.Equal(t, []space.Literal{"0"}, first.Axis().When[1].Values)
	assert.Equal(t, []space.Literal{"1"}, second.Axis().When[1].Values)
}

func TestNormalizeCopies(t *testing.T) {
	s := space.Space{
		{Name: "a", Distribution: space.FloatDistribution{High: 1, Step: 0.3}},
		{Name: "b", Distribution: space.IntDistribution{High: 9}, When: []space.Condition{{Name: "a", Values: []space.Literal{"0"}}}},
	}
	out, err := s.Normalize()
	require.NoError(t, err)
	assert.Equal(t, space.FloatDistribution{High: 0.9, Step: 0.3}, out[0].Distribution)
	assert.Equal(t, space.IntDistribution{High: 9, Step: 1}, out[1].Distribution)
	assert.Equal(t, []space.Literal{"0.0"}, out[1].When[0].Values)
	assert.Equal(t, space.FloatDistribution{High: 1, Step: 0.3}, s[0].Distribution)
	assert.Equal(t, []space.Literal{"0"}, s[1].When[0].Values)
	again, err := out.Normalize()
	require.NoError(t, err)
	assert.Equal(t, out, again)
}

func TestSpaceLen(t *testing.T) {
	assert.Equal(t, 1, space.Space{}.Len())
	assert.Equal(t, 60, space.Of(space.Int("a", 1, 5), space.Categorical("b", 1, 2, 3), space.Float("c", 0, 1, space.Step(0.3))).Len())
	assert.Equal(t, 0, space.Of(space.Int("a", 1, 5), space.Float("c", 0, 1)).Len(), "a continuum")
	assert.Equal(t, 0, space.Of(space.Int("a", 0, most), space.Int("b", 0, most)).Len(), "too many to count")
}

func TestParams(t *testing.T) {
	p := space.Params{Space: space.Of(space.Int("a", 0, 9), space.Categorical("b", "x", "y")), Point: []float64{3, 1}}
	q := space.Params{Space: space.Of(space.Float("c", 0, 1)), Point: []float64{1}}
	joined, err := p.Join(q)
	require.NoError(t, err)
	assert.Equal(t, []space.Setting{{"a", "3"}, {"b", `"y"`}, {"c", "1.0"}}, joined.Settings())
	x, ok := joined.Coord("b")
	assert.True(t, ok)
	assert.Equal(t, 1.0, x)
	_, ok = joined.Coord("z")
	assert.False(t, ok)
	_, err = joined.Join(q)
	assert.ErrorIs(t, err, space.ErrMismatch)
	assert.ErrorContains(t, err, `"c"`)
	only, err := space.Params{}.Join(p)
	require.NoError(t, err)
	assert.Equal(t, p, only)
	for name := range joined.All() {
		assert.Equal(t, "a", name)
		break
	}
	assert.Empty(t, space.Params{}.Settings())
}

func TestPool(t *testing.T) {
	var pool space.Pool
	declare := func(high int) space.Space { return space.Of(space.Int("a", 0, high), space.Categorical("b", "x", "y")) }
	first := pool.Share(declare(1))
	assert.Same(t, &first[0], &pool.Share(declare(1))[0])
	assert.NotSame(t, &first[0], &pool.Share(declare(2))[0])
	assert.Nil(t, pool.Share(nil))
	for i := range 100 {
		assert.Equal(t, declare(i+1), pool.Share(declare(i+1)))
	}
	again := pool.Share(declare(1))
	assert.NotSame(t, &first[0], &again[0], "forgotten by now")
	assert.True(t, first.Equal(again))
	assert.Equal(t, len(first), cap(first), "what is shared does not grow in place")
}

func TestLiteral(t *testing.T) {
	assert.Equal(t, []space.Literal{"true", "-3", "200", "0.1", "0.1", "1.0", `"a\"b"`, `"gbdt"`, "NaN"}, []space.Literal{
		space.Lit(true), space.Lit(-3), space.Lit(uint8(200)), space.Lit(float32(0.1)), space.Lit(0.1), space.Lit(1.0),
		space.Lit(`a"b`), space.Lit(booster("gbdt")), space.Lit(math.NaN()),
	})
	assert.Equal(t, "a\"b", space.Lit(`a"b`).String())
	assert.Equal(t, "1e-05", space.Lit(1e-5).String())
	assert.Equal(t, "null", space.Literal("null").String())
	assert.Equal(t, "broken", space.Literal("broken").String())
	for _, text := range []string{"", "a", "[1]", "{}", "1 2", "0x1"} {
		_, err := space.ParseLiteral(text)
		assert.ErrorContains(t, err, "space: literal", text)
	}
	for text, want := range map[string]space.Literal{"1E5": "100000.0", " 1 ": "1", "-0": "0", "1e400": "Infinity", `"\u0041"`: `"A"`} {
		l, err := space.ParseLiteral(text)
		require.NoError(t, err)
		assert.Equal(t, want, l)
	}
}

func TestSpaceParams(t *testing.T) {
	s := space.Of(space.Float("a", 0, 1), space.Int("b", 0, 9), space.Categorical("c", "x", "y"))
	p, err := s.Params(space.Setting{Name: "c", Value: `"y"`}, space.Setting{Name: "a", Value: "1"})
	require.NoError(t, err)
	assert.Equal(t, []space.Setting{{Name: "a", Value: "1.0"}, {Name: "c", Value: `"y"`}}, p.Settings())
	none, err := s.Params()
	require.NoError(t, err)
	assert.Empty(t, none.Settings())
	for name, c := range map[string]struct {
		settings []space.Setting
		is       error
		says     string
	}{
		"unknown": {[]space.Setting{{Name: "z", Value: "1"}}, space.ErrInvalid, `"z"`},
		"twice":   {[]space.Setting{{Name: "b", Value: "1"}, {Name: "b", Value: "1"}}, space.ErrInvalid, `"b" is set twice`},
		"outside": {[]space.Setting{{Name: "b", Value: "10"}}, space.ErrOutside, `parameter "b"`},
	} {
		_, err := s.Params(c.settings...)
		assert.ErrorIs(t, err, c.is, name)
		assert.ErrorContains(t, err, c.says, name)
	}
}

// A Finder returns what Index returns, also for a space that grows.
func TestFinder(t *testing.T) {
	for _, n := range []int{0, 3, 40} {
		s := make(space.Space, 0, 2*n)
		for i := range n {
			s = append(s, space.Axis{Name: fmt.Sprint("x", i)})
		}
		var find space.Finder
		look := func() {
			for i := range 2*n + 1 {
				name := fmt.Sprint("x", i)
				require.Equal(t, s.Index(name), find.Index(s, name), "%s of %d", name, len(s))
			}
		}
		look()
		look()
		for i := n; i < 2*n; i++ {
			s = append(s, space.Axis{Name: fmt.Sprint("x", i)})
			look()
		}
	}
}

func TestSettingsTwice(t *testing.T) {
	x, y := space.Setting{Name: "x", Value: "1"}, space.Setting{Name: "y", Value: "1"}
	for _, tc := range []struct {
		name     string
		settings space.Settings
		twice    string
	}{
		{"none", nil, ""},
		{"two names", space.Settings{x, y}, ""},
		{"a name with one value", space.Settings{x, y, x}, "x"},
		{"a name with two values", space.Settings{y, x, {Name: "y", Value: "2"}, x}, "y"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			name, ok := tc.settings.Twice()
			assert.Equal(t, tc.twice, name)
			assert.Equal(t, tc.twice != "", ok)
		})
	}
}

// A message about one of ten thousand choices can be read.
func TestErrorsNameSomeOfManyChoices(t *testing.T) {
	choices := make([]int, 10_000)
	for i := range choices {
		choices[i] = i
	}
	d := space.Categorical("c", choices...).Axis().Distribution
	_, err := d.Encode(space.Lit(-1))
	require.ErrorIs(t, err, space.ErrOutside)
	assert.Contains(t, err.Error(), "-1 is not one of the choices [0, 1, 2,")
	assert.Contains(t, err.Error(), "18, 19] and 9980 more")
	assert.Equal(t, "one of [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19] and 9980 more", space.Describe(d))
}

// The time to declare n choices should grow in proportion to n.
func BenchmarkCategorical(b *testing.B) {
	for _, n := range []int{10_000, 20_000, 40_000} {
		choices := make([]string, n)
		for i := range choices {
			choices[i] = fmt.Sprintf("choice-number-%06d", i)
		}
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			for b.Loop() {
				space.Categorical("c", choices...)
			}
		})
	}
}

// The time to declare n parameters, all but the first under a condition, should grow in proportion to n.
func BenchmarkOf(b *testing.B) {
	for _, n := range []int{2_500, 5_000, 10_000} {
		first := space.Int("parameter-00000", 0, 1)
		params := []space.Axer{first}
		for i := 1; i < n; i++ {
			params = append(params, space.Float(fmt.Sprintf("parameter-%05d", i), 0, 1).When(first.Is(1)))
		}
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			for b.Loop() {
				space.Of(params...)
			}
		})
	}
}

func TestIndexNear(t *testing.T) {
	s := space.Of(space.Float("a", 0, 1), space.Float("b", 0, 1))
	for i := -1; i < 4; i++ {
		assert.Equal(t, 0, s.IndexNear(i, "a"))
		assert.Equal(t, 1, s.IndexNear(i, "b"))
		assert.Equal(t, -1, s.IndexNear(i, "c"))
	}
}
