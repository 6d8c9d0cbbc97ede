package spaceyaml_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
)

const example = `
parameters:
  - {name: booster, type: categorical, choices: [gbdt, dart]}
  - {name: lr, type: float, low: 1e-5, high: 0.1, log: true}
  - {name: drop, type: float, low: 0, high: 0.5, when: {booster: dart}}
`

func Example() {
	s, err := spaceyaml.Read(strings.NewReader(example))
	if err != nil {
		panic(err)
	}
	for _, a := range s {
		fmt.Println(a.Name, space.Describe(a.Distribution))
	}
	// Output:
	// booster one of [gbdt dart]
	// lr float [1e-05, 0.1] log
	// drop float [0, 0.5]
}

func ExampleWrite() {
	booster := space.Categorical("booster", "gbdt", "dart")
	err := spaceyaml.Write(os.Stdout, space.Of(
		booster,
		space.Float("lr", 1e-5, 1e-1, space.Log()),
		space.Int("depth", 2, 12, space.Step(2)).When(booster.Is("gbdt")),
	))
	if err != nil {
		panic(err)
	}
	// Output:
	// parameters:
	//   - {name: booster, type: categorical, choices: [gbdt, dart]}
	//   - {name: lr, type: float, low: 1.0e-05, high: 0.1, log: true}
	//   - {name: depth, type: int, low: 2, high: 12, step: 2, when: {booster: gbdt}}
}

func ExampleReadSettings() {
	settings, err := spaceyaml.ReadSettings(strings.NewReader("lr: 0.01\nbooster: dart\n"))
	fmt.Println(settings, err)
	// Output: [{lr 0.01} {booster dart}] <nil>
}

func ExampleWriteSettings() {
	err := spaceyaml.WriteSettings(os.Stdout, []space.Setting{
		space.Float("lr", 0, 1).At(1e-5), space.Categorical("version", "1.0", "on").At("1.0"),
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// lr: 1.0e-05
	// version: "1.0"
}

func TestReadForms(t *testing.T) {
	const text = `
# a comment
parameters:
- name: kind
  type: categorical
  choices:
    - gbdt
    - 1
    - 1.0
    - "1"
    - true
    - 'true'
    - null
    - .inf
    - 1e-5
    - !!str 5
    - y
    - "no"
    - 12345678901234567890123
- {name: "on", type: int, low: &least 1, high: 1.0e+3, log: true}
- {name: depth, type: int, low: *least, high: 10, step: 4, when: {kind: [gbdt, 1], "on": {min: 10}}}
- {name: y, type: float, low: -.5, high: +2, step: 0.5, when: [{depth: {min: 2, max: 8}}, {depth: 5}]}
`
	s, err := spaceyaml.Read(strings.NewReader(text))
	require.NoError(t, err)
	inf := math.Inf(1)
	assert.Equal(t, space.Space{
		{Name: "kind", Distribution: &space.CategoricalDistribution{Choices: []space.Literal{
			`"gbdt"`, "1", "1.0", `"1"`, "true", `"true"`, "null", "Infinity", "1e-05", `"5"`, `"y"`, `"no"`, "12345678901234567890123",
		}}},
		{Name: "on", Distribution: space.IntDistribution{Low: 1, High: 1000, Step: 1, Log: true}},
		{Name: "depth", Distribution: space.IntDistribution{Low: 1, High: 9, Step: 4}, When: []space.Condition{
			{Name: "kind", Values: []space.Literal{`"gbdt"`, "1"}}, {Name: "on", Low: 10, High: inf},
		}},
		{Name: "y", Distribution: space.FloatDistribution{Low: -0.5, High: 2, Step: 0.5}, When: []space.Condition{
			{Name: "depth", Low: 2, High: 8}, {Name: "depth", Values: []space.Literal{"5"}},
		}},
	}, s)
	none, err := spaceyaml.Read(strings.NewReader("parameters: []"))
	require.NoError(t, err)
	assert.Empty(t, none)
}

// TestReadRefuses: every error names its line, and the parameter if there is one.
func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"empty":              {"", "empty"},
		"only a comment":     {"# nothing\n", "empty"},
		"null":               {"null", "line 1: invalid declaration: want a mapping"},
		"a list":             {"- 1", "want a mapping"},
		"no parameters":      {"{}", "want parameters"},
		"parameters a word":  {"parameters: x", "want parameters"},
		"other key":          {"params: []", `unknown key "params"`},
		"two documents":      {"parameters: []\n---\nparameters: []", "second document"},
		"syntax":             {"parameters: [", "yaml"},
		"syntax later":       {"parameters: []\n---\n{", "yaml"},
		"an item is no map":  {"parameters: [x]", "want a mapping"},
		"no name":            {"parameters:\n- {type: int, low: 0, high: 1}", "line 2: invalid declaration: the parameter has no name"},
		"name a number":      {"parameters: [{name: 5, type: int, low: 0, high: 1}]", "want a name, not the value 5: write it in quotes"},
		"name on":            {"parameters: [{name: on, type: int, low: 0, high: 1}]", `write "on"`},
		"name empty":         {`parameters: [{name: "", type: int, low: 0, high: 1}]`, "empty string"},
		"name null":          {`parameters: [{name: , type: int, low: 0, high: 1}]`, "the value is missing"},
		"key a number":       {`parameters: [{1: 2}]`, "write it in quotes"},
		"key twice":          {"parameters:\n- name: x\n  type: int\n  low: 0\n  low: 1\n  high: 2", `line 5: invalid declaration: key "low" is duplicated`},
		"merge key":          {"parameters: [{<<: {low: 0}, name: x, type: int, high: 2}]", "<<"},
		"no type":            {"parameters: [{name: x, low: 0, high: 1}]", `parameter "x": no type`},
		"other type":         {"parameters: [{name: x, type: real, low: 0, high: 1}]", `parameter "x": type "real": want float, int or categorical`},
		"unknown key":        {"parameters: [{name: x, type: int, low: 0, hihg: 1}]", `parameter "x": unknown key "hihg"`},
		"choices of a float": {"parameters: [{name: x, type: float, low: 0, high: 1, choices: [1]}]", `unknown key "choices" of type float`},
		"low of choices":     {"parameters: [{name: x, type: categorical, low: 0, choices: [1]}]", `unknown key "low" of type categorical`},
		"no high":            {"parameters: [{name: x, type: int, low: 0}]", `parameter "x": no high`},
		"no choices":         {"parameters: [{name: x, type: categorical}]", `parameter "x": no choices`},
		"choices empty":      {"parameters: [{name: x, type: categorical, choices: []}]", `parameter "x": invalid declaration: no choices`},
		"choices a word":     {"parameters: [{name: x, type: categorical, choices: a}]", "choices: want a list"},
		"choice a list":      {"parameters: [{name: x, type: categorical, choices: [[1]]}]", "choice 1: want a single value"},
		"choice yes":         {"parameters: [{name: x, type: categorical, choices: [maybe, yes]}]", `choice 2: yes is true or false to some`},
		"choice Off":         {"parameters: [{name: x, type: categorical, choices: [Off]}]", `write "Off", or true or false`},
		"choice octal":       {"parameters: [{name: x, type: categorical, choices: [010]}]", `010 is octal to some`},
		"choice hexadecimal": {"parameters: [{name: x, type: categorical, choices: [0x1f]}]", `write "0x1f"`},
		"choice 0o17":        {"parameters: [{name: x, type: categorical, choices: [0o17]}]", `write "0o17"`},
		"choice underscore":  {"parameters: [{name: x, type: categorical, choices: [1_000]}]", `write "1_000"`},
		"choice of sixties":  {"parameters: [{name: x, type: categorical, choices: [12:30]}]", `write "12:30"`},
		"choice a date":      {"parameters: [{name: x, type: categorical, choices: [2001-01-01]}]", `write "2001-01-01"`},
		"choice nothing":     {"parameters:\n- name: x\n  type: categorical\n  choices:\n  -\n  - 1", `line 5: invalid declaration: parameter "x": choice 1: the value is missing`},
		"choice tagged":      {"parameters: [{name: x, type: categorical, choices: [!!int 5]}]", "tag !!int"},
		"choice twice":       {"parameters: [{name: x, type: categorical, choices: [a, 'a']}]", `"a" is duplicated`},
		"choice too large":   {"parameters: [{name: x, type: categorical, choices: [1e999]}]", `beyond a float64`},
		"low a word":         {"parameters: [{name: x, type: float, low: a, high: 1}]", `low: want a number, not the string "a"`},
		"low in quotes":      {"parameters: [{name: x, type: float, low: '1e-5', high: 1}]", `low: want a number, not the string "1e-5"`},
		"low true":           {"parameters: [{name: x, type: float, low: true, high: 1}]", `low: want a number, not true`},
		"low octal":          {"parameters: [{name: x, type: int, low: 010, high: 11}]", `low: 010 is octal`},
		"low half an int":    {"parameters: [{name: x, type: int, low: 0.5, high: 11}]", `low: want an integer within ±2^53, not 0.5`},
		"high rounded":       {"parameters: [{name: x, type: int, low: 0, high: 9007199254740993}]", `high: want an integer within ±2^53, not 9007199254740993`},
		"low rounded":        {"parameters: [{name: x, type: int, low: -9007199254740993, high: 0}]", `low: want an integer within ±2^53, not -9007199254740993`},
		"step a word":        {"parameters: [{name: x, type: int, low: 0, high: 9, step: a}]", `step: want a number, not the string "a"`},
		"high infinite":      {"parameters: [{name: x, type: int, low: 0, high: .inf}]", `high: want an integer`},
		"float infinite":     {"parameters: [{name: x, type: float, low: 0, high: .inf}]", `finite`},
		"log a word":         {"parameters: [{name: x, type: float, low: 1, high: 2, log: yes}]", `log: yes is true or false`},
		"log a number":       {"parameters: [{name: x, type: float, low: 1, high: 2, log: 1}]", `log: want true or false`},
		"reversed":           {"parameters:\n- {name: a, type: int, low: 0, high: 1}\n- {name: x, type: float, low: 2, high: 1}\n- {name: b, type: int, low: 5, high: 1}", `line 3: parameter "x": invalid declaration: low 2 exceeds high 1`},
		"name twice":         {"parameters:\n- {name: x, type: int, low: 0, high: 1}\n- {name: x, type: int, low: 0, high: 1}", `line 3: invalid declaration: parameter "x" is duplicated`},
		"when a word":        {"parameters: [{name: x, type: int, low: 0, high: 1, when: a}]", "when: want a mapping"},
		"when of later":      {"parameters: [{name: x, type: int, low: 0, high: 1, when: {z: 1}}]", `condition on "z"`},
		"when an empty list": {"parameters: [{name: x, type: int, low: 0, high: 1, when: {z: []}}]", "never holds"},
		"when an empty map":  {"parameters: [{name: x, type: int, low: 0, high: 1, when: {z: {}}}]", "want a value"},
		"when from to":       {"parameters: [{name: x, type: int, low: 0, high: 1, when: {z: {from: 1}}}]", `parameter "x": when z: unknown key "from": want min, max`},
		"when min twice":     {"parameters:\n- {name: x, type: int, low: 0, high: 1, when: {z: {min: 1,\n  min: 2}}}", `line 3: invalid declaration: parameter "x": when z: key "min" is duplicated`},
		"when twice":         {"parameters:\n- {name: x, type: int, low: 0, high: 1, when: {y: 1,\n  y: 2}}", `line 3: invalid declaration: parameter "x": when: key "y" is duplicated`},
		"when a number":      {"parameters: [{name: x, type: int, low: 0, high: 1, when: {1: 2}}]", `parameter "x": when: want a name, not the value 1`},
		"when min a word":    {"parameters: [{name: x, type: int, low: 0, high: 1, when: {z: {min: a}}}]", "when z: min: want a number"},
		"when yes":           {"parameters: [{name: x, type: int, low: 0, high: 1, when: {z: yes}}]", "when z: yes is true"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := spaceyaml.Read(strings.NewReader(c.text))
			require.ErrorIs(t, err, space.ErrInvalid)
			assert.ErrorContains(t, err, "spaceyaml: ")
			assert.ErrorContains(t, err, c.says)
		})
	}
	broken := errors.New("broken")
	_, err := spaceyaml.Read(iotest.ErrReader(broken))
	assert.ErrorIs(t, err, broken)
}

func TestWriteRefuses(t *testing.T) {
	choices := func(ls ...space.Literal) space.Distribution { return &space.CategoricalDistribution{Choices: ls} }
	for name, s := range map[string]space.Space{
		"invalid":      {{Name: "x", Distribution: choices()}},
		"not a scalar": {{Name: "x", Distribution: choices("[1, 2]")}},
		"not UTF-8":    {{Name: "\xff", Distribution: choices("1")}},
		"long name":    {{Name: strings.Repeat("x", 2000), Distribution: choices("1")}},
	} {
		var b bytes.Buffer
		err := spaceyaml.Write(&b, s)
		assert.ErrorIs(t, err, space.ErrInvalid, name)
		assert.Empty(t, b.String(), name)
	}
	for name, s := range map[string][]space.Setting{
		"twice": {{Name: "x", Value: "1"}, {Name: "x", Value: "2"}}, "no literal": {{Name: "x", Value: "gbdt"}}, "a list": {{Name: "x", Value: "[1]"}}, "not UTF-8": {{Name: "\xff", Value: "1"}},
	} {
		var b bytes.Buffer
		err := spaceyaml.WriteSettings(&b, s)
		assert.ErrorIs(t, err, space.ErrInvalid, name)
		assert.Empty(t, b.String(), name)
	}
}

func TestReadSettings(t *testing.T) {
	want := []space.Setting{{Name: "lr", Value: "1e-05"}, {Name: "model.kind", Value: `"\ud83d\ude00"`}, {Name: "n", Value: "3"}, {Name: "flag", Value: "true"}, {Name: "none", Value: "null"}}
	for name, text := range map[string]string{
		"yaml": "lr: 1e-5\nmodel.kind: 😀\n\"n\": 3\nflag: true\nnone: ~\n",
		"flow": "{lr: 1e-5, model.kind: 😀, 'n': 3, flag: true, none: null}",
		"json": `{"lr": 1e-05, "model.kind": "\ud83d\ude00", "n": 3, "flag": true, "none": null}`,
	} {
		got, err := spaceyaml.ReadSettings(strings.NewReader(text))
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
	for text, says := range map[string]string{
		"":                   "empty",
		"[1]":                "want a mapping",
		"lr: 1\nlr: 2":       `line 2: invalid declaration: key "lr" is duplicated`,
		"lr: [1]":            `setting "lr": want a single value`,
		"lr: yes":            `setting "lr": yes is true`,
		`{"a": 1, "a": 2}`:   `setting "a": invalid declaration: it is duplicated`,
		`{"a": {"b": 1}}`:    `setting "a": invalid declaration: want a single value`,
		`{"": 1}`:            "no name",
		"lr: 0.1\nother: {}": `line 2: invalid declaration: setting "other"`,
	} {
		_, err := spaceyaml.ReadSettings(strings.NewReader(text))
		require.ErrorIs(t, err, space.ErrInvalid, text)
		assert.ErrorContains(t, err, says, text)
	}
}

// TestRoundTrip: random spaces are read back as they were written.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s, err := randomSpace(rng).Normalize()
		require.NoError(t, err)
		var b bytes.Buffer
		require.NoError(t, spaceyaml.Write(&b, s))
		back, err := spaceyaml.Read(bytes.NewReader(b.Bytes()))
		require.NoError(t, err, "%s", &b)
		require.Len(t, back, len(s))
		for i := range s {
			require.Equal(t, s[i].Name, back[i].Name)
			require.Equal(t, s[i].Distribution.String(), back[i].Distribution.String())
			require.Equal(t, len(s[i].When), len(back[i].When))
			for j, c := range s[i].When {
				require.Equal(t, c, back[i].When[j])
			}
		}
	}
}

func randomText(rng *rand.Rand) string {
	if words := []string{"yes", "No", "null", "~", "1", "1.0", "0x1", "a b", "", "-", "é", "y", "NaN", ".inf", "<<", "a: b", "#", "12:30"}; rng.IntN(2) == 0 {
		return words[rng.IntN(len(words))]
	}
	var b strings.Builder
	for range rng.IntN(8) {
		ranges := []int32{0x80, 0x300, 0x3000, 0x110000}
		b.WriteRune(rng.Int32N(ranges[rng.IntN(len(ranges))])) // surrogates become U+FFFD
	}
	return b.String()
}

func randomFloat(rng *rand.Rand) float64 {
	return rng.NormFloat64() * math.Pow(10, float64(rng.IntN(40)-20))
}

func randomLiteral(rng *rand.Rand) space.Literal {
	switch rng.IntN(6) {
	case 0:
		return space.Lit(rng.IntN(2) == 0)
	case 1:
		return space.Lit(rng.IntN(2000) - 1000)
	case 2:
		return space.Lit(randomFloat(rng))
	case 3:
		return []space.Literal{"null", "NaN", "Infinity", "-Infinity", "-0.0", "1e+100", "123456789012345678901234567890"}[rng.IntN(7)]
	}
	return space.Lit(randomText(rng))
}

func randomSpace(rng *rand.Rand) (s space.Space) {
	for i := range rng.IntN(6) {
		a := space.Axis{Name: fmt.Sprint(randomText(rng), i)}
		low, high := randomFloat(rng), randomFloat(rng)
		low, high = min(low, high), max(low, high)
		switch rng.IntN(5) {
		case 0:
			a.Distribution = space.FloatDistribution{Low: low, High: high}
		case 1:
			a.Distribution = space.FloatDistribution{Low: low, High: high, Step: (high - low) / (0.5 + 20*rng.Float64())}
		case 2:
			a.Distribution = space.FloatDistribution{Low: math.Exp(-float64(rng.IntN(99))), High: 1 + math.Abs(high), Log: true}
		case 3:
			a.Distribution = space.IntDistribution{Low: rng.IntN(10) + 1, High: rng.IntN(100) + 12, Log: rng.IntN(2) == 0}
		default:
			c := &space.CategoricalDistribution{}
			for range 1 + rng.IntN(5) {
				if l := randomLiteral(rng); !contains(c.Choices, l) {
					c.Choices = append(c.Choices, l)
				}
			}
			a.Distribution = c
		}
		for range rng.IntN(3) {
			if len(s) == 0 {
				break
			}
			b := s[rng.IntN(len(s))]
			c := space.Condition{Name: b.Name}
			if d, ok := b.Distribution.(*space.CategoricalDistribution); ok {
				c.Values = d.Choices[:1+rng.IntN(len(d.Choices))]
			} else {
				ends := []float64{math.Inf(-1), randomFloat(rng), math.Inf(1)}
				c.Low, c.High = ends[rng.IntN(2)], ends[1+rng.IntN(2)]
			}
			a.When = append(a.When, c)
		}
		s = append(s, a)
	}
	return s
}

func contains(ls []space.Literal, l space.Literal) bool {
	for _, m := range ls {
		if l == m {
			return true
		}
	}
	return false
}

// FuzzRead: nothing panics. A space that is read is valid, and is the same after it is written and read again.
func FuzzRead(f *testing.F) {
	f.Add(example)
	f.Add("parameters: [{name: &a x, type: categorical, choices: &c [*a, 1, ~, *c]}]")
	f.Add("parameters: [{name: x, type: int, low: 0, high: 9}, {name: z, type: int, low: 0, high: 1, when: [{x: {min: 3}}, {x: [4, 5]}]}]")
	f.Add("parameters: [{name: x, type: int, low: 0, high: 9}, {name: z y, type: int, low: 0, high: 1}]\nconstraints: [x < 2 * 'z y']")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := spaceyaml.Read(strings.NewReader(text))
		if err != nil {
			require.ErrorIs(t, err, space.ErrInvalid)
			return
		}
		var b, again bytes.Buffer
		if err := spaceyaml.Write(&b, s); err != nil {
			require.ErrorIs(t, err, space.ErrInvalid) // a name too long
			return
		}
		back, err := spaceyaml.Read(bytes.NewReader(b.Bytes()))
		require.NoError(t, err, "%s", &b)
		require.NoError(t, spaceyaml.Write(&again, back))
		require.Equal(t, b.String(), again.String())
	})
}

// FuzzSettings: settings of any text come back.
func FuzzSettings(f *testing.F) {
	f.Add("lr", "x\u2028\x00\u0085\ufeff")
	f.Add("yes", "no")
	f.Fuzz(func(t *testing.T, name, value string) {
		var b bytes.Buffer
		settings := []space.Setting{{Name: name, Value: space.Lit(value)}, {Name: name + "2", Value: "1"}}
		if err := spaceyaml.WriteSettings(&b, settings); err != nil || name == "" {
			return
		}
		back, err := spaceyaml.ReadSettings(&b)
		require.NoError(t, err)
		require.Equal(t, settings, back)
	})
}

func TestConstraints(t *testing.T) {
	text := `parameters:
  - {name: low, type: float, low: 0.0, high: 1.0}
  - {name: high, type: float, low: 0.0, high: 1.0}
  - {name: "learning rate", type: float, low: 0.001, high: 1.0, log: true, prior: {median: 0.01, factor: 3.0}}
  - {name: "n", type: int, low: 1, high: 9, prior: {mean: 4.0, dev: 1.5}, when: {low: {min: 0.5}}}
  - {name: booster, type: categorical, choices: [gbdt, dart], prior: {weights: [5.0, 1.0]}}
constraints:
  - "low < high"
  - "'learning rate' <= 2 * high"
`
	s, err := spaceyaml.Read(strings.NewReader(text))
	require.NoError(t, err)
	require.Len(t, s.Constraints(), 2)
	var b bytes.Buffer
	require.NoError(t, spaceyaml.Write(&b, s))
	require.Equal(t, text, b.String())

	for end, says := range map[string]string{
		"constraints: low < high":         "line 4: invalid declaration: constraints: want a list",
		"constraints:\n  - low < nothing": `line 5: invalid declaration: constraint "low < nothing": there is no parameter "nothing"`,
		"constraints:\n  - low <":         "line 5: invalid declaration: constraint \"low <\": it ends where",
		"constraints: [1]":                "line 4: invalid declaration: constraints: want comparisons, such as a + b <= 1",
		"  - {name: x, type: float, low: 0, high: 1, prior: {mean: 1}}":               `line 4: invalid declaration: parameter "x": prior: want mean and dev, median and factor, or weights`,
		"  - {name: x, type: float, low: 0, high: 1, prior: {weights: [1]}}":          `line 4: parameter "x": invalid declaration: prior: weights are for choices, and this is float [0, 1]`,
		"  - {name: x, type: float, low: 0, high: 1, prior: {mean: much, dev: 1}}":    `line 4: invalid declaration: parameter "x": prior mean: want a number, not the string "much"`,
		"  - {name: x, type: categorical, choices: [a, b], prior: {weights: [1, 0]}}": "weight 0: it must be greater than 0",
		"restrictions: []": `line 4: invalid declaration: unknown key "restrictions": want parameters, constraints`,
	} {
		_, err := spaceyaml.Read(strings.NewReader(strings.Join(strings.SplitAfter(text, "\n")[:3], "") + end))
		require.ErrorIs(t, err, space.ErrInvalid)
		require.ErrorContains(t, err, says)
	}
}
