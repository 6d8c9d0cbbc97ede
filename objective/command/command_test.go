package command

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

func testSpace() space.Space {
	kind := space.Categorical("kind", "gbdt", "dart")
	return space.Of(
		space.Float("lr", 0.1, 1),
		kind,
		space.Float("drop", 0, 1).When(kind.Is("dart")),
		space.Int("seed", 5, 9),
	)
}

func TestArguments(t *testing.T) {
	values := map[string]string{"lr": "0.5", "kind": "a b", "seed": "7", "trial": "12"}
	for name, test := range map[string]struct {
		args []string
		want []string
		err  string
	}{
		"places":                                {args: []string{"p", "--lr", "{lr}", "x{lr}{kind}y"}, want: []string{"p", "--lr", "0.5", "x0.5a by"}},
		"trial":                                 {args: []string{"p", "{trial}.txt"}, want: []string{"p", "12.txt"}},
		"parameter before place":                {args: []string{"p", "{seed}"}, want: []string{"p", "7"}},
		"quoted":                                {args: []string{"p", "{{lr}}", "{{lr}}{lr}"}, want: []string{"p", "{lr}", "{lr}0.5"}},
		"JSON":                                  {args: []string{"p", `{"a": {"b": {lr}}}`}, want: []string{"p", `{"a": {"b": 0.5}}`}},
		"braces":                                {args: []string{"p", "{", "}", "{}", "{ x }", "${", "${lr}", "a{1,2}"}, want: []string{"p", "{", "}", "{}", "{ x }", "${", "${lr}", "a{1,2}"}},
		"empty argument":                        {args: []string{"p", ""}, want: []string{"p", ""}},
		"missing":                               {args: []string{"p", "--drop={drop}", "end"}, want: []string{"p", "end"}},
		"missing value of an option":            {args: []string{"p", "--drop", "{drop}", "end"}, want: []string{"p", "end"}},
		"missing, after a text":                 {args: []string{"p", "{drop}", "-"}, want: []string{"p", "-"}},
		"missing, after an option with a place": {args: []string{"p", "--lr={lr}", "{drop}"}, want: []string{"p", "--lr=0.5"}},
		"missing, part of an argument":          {args: []string{"p", "-v", "x{drop}"}, want: []string{"p", "-v"}},
		"missing twice":                         {args: []string{"p", "-a", "{drop}", "{drop}"}, want: []string{"p"}},
		"unknown":                               {args: []string{"p", "--lr={lrr}"}, err: `invalid configuration: argument "--lr={lrr}": there is no parameter "lrr": the space has lr, kind, drop, seed`},
	} {
		t.Run(name, func(t *testing.T) {
			args, err := parse(test.args, testSpace())
			if test.err != "" {
				require.EqualError(t, err, test.err)
				require.ErrorIs(t, err, ErrConfig)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, args.fill(func(place string) (string, bool) { v, ok := values[place]; return v, ok }))
		})
	}
}

func TestOutput(t *testing.T) {
	r := reader{metrics: []string{"error", "seconds"}, matches: []*regexp.Regexp{
		regexp.MustCompile(`epoch (?P<step>\d+)(?: loss (?P<value>\S+))?`),
		regexp.MustCompile(`final (\S+)`),
		regexp.MustCompile(`took (?P<seconds>\d+)`),
	}}
	for line, want := range map[string]message{
		"attune: value=0.39":                           {step: -1, values: []float64{0.39}},
		"  attune:value=-1e3":                          {step: -1, values: []float64{-1000}},
		"attune: step=3 value=0.41":                    {step: 3, values: []float64{0.41}},
		"attune: step=3 value=1,2.5":                   {step: 3, values: []float64{1, 2.5}},
		"attune: step=3 seconds=2 error=1":             {step: 3, named: map[int]float64{0: 1, 1: 2}},
		"attune: value=1,2.5":                          {step: -1, values: []float64{1, 2.5}},
		"attune: error=1\tseconds=2":                   {step: -1, named: map[int]float64{0: 1, 1: 2}},
		"attune: constraint.mem=-0.5 constraint.t=nan": {step: -1, constraints: []trial.Constraint{{Name: "mem", Value: -0.5}, {Name: "t"}}},
		`attune: attr.a=12 attr.b="x y" attr.c=text attr.d={"k": [1, 2]} attr.e=true`: {step: -1, attrs: []attr{
			{"a", json.RawMessage("12")}, {"b", json.RawMessage(`"x y"`)}, {"c", "text"}, {"d", json.RawMessage(`{"k": [1, 2]}`)}, {"e", json.RawMessage("true")}}},
		"epoch 3 loss 0.5":    {step: 3, values: []float64{0.5}},
		"and the final 0.25":  {step: -1, values: []float64{0.25}},
		"it took 12 s":        {step: -1, named: map[int]float64{1: 12}},
		"attune: value=-inf":  {step: -1, values: []float64{-1 / zero}},
		"attune: value=+Inf ": {step: -1, values: []float64{1 / zero}},
	} {
		t.Run(line, func(t *testing.T) {
			m, ok, err := r.read(line, true)
			require.NoError(t, err)
			require.True(t, ok)
			for i, c := range m.constraints {
				if c.Name == "t" {
					assert.True(t, c.Value != c.Value, "NaN")
					m.constraints[i].Value = 0
				}
			}
			assert.Equal(t, want, m)
		})
	}
	for _, line := range []string{"", "value=3", "attuned: value=3", "epoch 3", "an attune: value=3"} {
		_, ok, err := r.read(line, true)
		assert.NoError(t, err, line)
		assert.False(t, ok, line)
	}
	_, ok, err := r.read("attune: value=3", false)
	assert.NoError(t, err)
	assert.False(t, ok, "on standard error")
	for line, want := range map[string]string{
		"attune:":                      `want KEY=VALUE, such as value=0.39`,
		"attune: hello there":          `"hello" is no KEY=VALUE`,
		"attune: vlaue=3":              `vlaue: unknown key: want one of step, value, error, seconds, constraint.NAME, attr.NAME`,
		"attune: value=":               `value: "": want a number`,
		"attune: value=1,,2":           `value: "": want a number`,
		"attune: value=1e999":          `value: "1e999": want a number`,
		"attune: value = 3":            `"value" is no KEY=VALUE`,
		"attune: step=1.5 value=2":     `step: "1.5": want a whole number from 0`,
		"attune: step=-1 value=2":      `step: "-1": want a whole number from 0`,
		"attune: step=1":               `a step has no value`,
		"attune: value=1 error=2":      `give value, or objectives by their names`,
		`attune: attr.a="x`:            `attr.a: "\"x" is not JSON: unexpected EOF`,
		`attune: attr.a="x"y=3`:        `attr.a: "\"x\"y=3": want a space after the value`,
		"attune: constraint.=3":        `constraint.: unknown key: want one of step, value, error, seconds, constraint.NAME, attr.NAME`,
		"epoch 3 loss nothing, really": `value: "nothing": want a number`,
	} {
		_, ok, err := r.read(line, true)
		assert.True(t, ok, line)
		require.ErrorIs(t, err, ErrOutput, line)
		assert.True(t, strings.HasSuffix(err.Error(), ": "+want), "%s", err)
		assert.True(t, strings.HasPrefix(err.Error(), "bad output: line "+strconv.Quote(line)), "%s", err)
	}
}

var zero float64

func TestSplitter(t *testing.T) {
	long := strings.Repeat("x", maxLine+5)
	text := "one\ntwo\r\n\n 10%\r 20%\r\nthree\n" + long + "\nlast"
	for _, chunk := range []int{61, 4096, len(text)} {
		var got []string
		s := &splitter{line: func(line string) { got = append(got, line) }}
		for rest := text; rest != ""; {
			n := min(chunk, len(rest))
			wrote, err := s.Write([]byte(rest[:n]))
			require.NoError(t, err)
			require.Equal(t, n, wrote)
			rest = rest[n:]
		}
		s.close()
		assert.Equal(t, []string{"one", "two", " 10%", " 20%", "three", long[:maxLine], "last"}, got, "in chunks of %d", chunk)
	}
}

func TestShare(t *testing.T) {
	for _, test := range []struct {
		gpus    int
		workers int
		want    []string
	}{
		{0, 2, []string{"[]", "[]"}},
		{1, 1, []string{"[0]"}},
		{1, 3, []string{"[0]", "[0]", "[0]"}},
		{2, 3, []string{"[0]", "[1]", "[0]"}},
		{4, 2, []string{"[0 1]", "[2 3]"}},
		{5, 2, []string{"[0 1]", "[2 3 4]"}},
		{4, 1, []string{"[0 1 2 3]"}},
	} {
		var all, got []string
		for i := range test.gpus {
			all = append(all, fmt.Sprint(i))
		}
		for w := range test.workers {
			got = append(got, fmt.Sprint(share(all, w, test.workers)))
		}
		assert.Equal(t, test.want, got, "%d GPUs, %d workers", test.gpus, test.workers)
	}
}

func TestNew(t *testing.T) {
	for name, test := range map[string]struct {
		cfg  Config
		is   error
		want string
	}{
		"no program": {Config{}, ErrConfig, "command: invalid configuration: there is no program: its arguments are empty"},
		"not found": {Config{Args: []string{"./no-such-program"}}, ErrStart,
			`command: the program cannot be started: "./no-such-program": no such file, or its interpreter does not exist`},
		"not in PATH": {Config{Args: []string{"no-such-program"}}, ErrStart,
			`command: the program cannot be started: "no-such-program": not found in PATH: a program in this folder is ./no-such-program`},
		"same variable": {Config{Args: []string{"p"}, Space: space.Of(space.Int("a.b", 0, 1), space.Int("a-b", 0, 1))}, ErrConfig,
			`command: invalid configuration: parameters "a.b" and "a-b" have the same environment variable, ATTUNE_PARAM_a_b: rename one of them`},
		"objective called step": {Config{Args: []string{"p"}, Metrics: []string{"step"}}, ErrConfig,
			"command: invalid configuration: an objective is called step, which means something else in the output"},
		"expression without a group": {Config{Args: []string{"p"}, Matches: []*regexp.Regexp{regexp.MustCompile("loss")}}, ErrConfig,
			`command: invalid configuration: regular expression "loss" has no group for a value: write one, as in loss=(\S+), or name it (?P<value>\S+)`},
		"expression with an unknown group": {Config{Args: []string{"p"}, Matches: []*regexp.Regexp{regexp.MustCompile("(?P<loss>.)")}}, ErrConfig,
			`command: invalid configuration: regular expression "(?P<loss>.)": unknown group "loss": want step, value`},
		"step with two values": {Config{Args: []string{"p"}, Metrics: []string{"a", "b"}, Matches: []*regexp.Regexp{regexp.MustCompile("(?P<step>.)(?P<a>.)(?P<b>.)")}}, ErrConfig,
			`command: invalid configuration: regular expression "(?P<step>.)(?P<a>.)(?P<b>.)": want one group for the step, and one for its value`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(test.cfg)
			require.ErrorIs(t, err, test.is)
			assert.True(t, strings.HasPrefix(err.Error(), test.want), "%s", err)
		})
	}
}
