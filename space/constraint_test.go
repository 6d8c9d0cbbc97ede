package space_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
)

func TestParseConstraint(t *testing.T) {
	at := space.Settings{
		{Name: "a", Value: "0.1"}, {Name: "b", Value: "0.2"}, {Name: "n", Value: "3"}, {Name: "m", Value: "4"},
		{Name: "learning rate", Value: "0.5"}, {Name: "model.depth", Value: "6"}, {Name: "batch", Value: "64"},
	}
	for text, holds := range map[string]bool{
		"a + b <= 0.3":              true, // though 0.1 + 0.2 is more, as floats go
		"a + b < 0.3":               false,
		"a+b<=0.29":                 false,
		"b > a":                     true,
		"a >= b":                    false,
		"n < m":                     true,
		"m <= n":                    false,
		"2 * (n + 1) * m <= 32":     true,
		"2 * (n + 1) * m < 32":      false,
		"n * m / 2 - n <= 3":        true,
		"-n <= -3":                  true,
		"1e1 * a >= 1.0":            true,
		"'learning rate' >= 5 * a":  true,
		`"learning rate" < 0.5`:     false,
		"model.depth + n ≤ 9":       true,
		"model.depth · n ≥ 19":      false,
		"batch * m <= 256":          true,
		"a - a + n <= 3":            true,
		"n*n_other <= 0":            true, // a parameter that is not there
		"(((n)))<((m))":             true,
		"n <= 3 + 0 * m":            true,
		"+n - -m <= 7":              true,
		"0.1 <= a":                  true,
		"3 * n * m - 2*m*n <= 12.0": true,
	} {
		c, err := space.ParseConstraint(text)
		require.NoError(t, err, text)
		assert.Equal(t, holds, c.Holds(at), text)
		assert.Equal(t, text, c.String())
	}
	c, err := space.ParseConstraint(" 2*b - (a + 1) * 3 > m*b ")
	require.NoError(t, err)
	assert.Equal(t, space.Constraint{
		Text: "2*b - (a + 1) * 3 > m*b", Strict: true, Bound: -3,
		Terms: []space.Term{{Coef: 3, Names: []string{"a"}}, {Coef: -2, Names: []string{"b"}}, {Coef: 1, Names: []string{"b", "m"}}},
	}, c)
	assert.Equal(t, []string{"a", "b", "m"}, c.Names())
}

func TestParseConstraintErrors(t *testing.T) {
	for text, says := range map[string]string{
		"":                                "it ends where a number or a parameter is expected",
		"a":                               "it ends without a comparison: <=, >=, < or >",
		"a + b = 1":                       "it is an equation: leave one of its parameters out, and compute it from the others",
		"a < b < c":                       "it has two comparisons: write two constraints",
		"a * a <= 1":                      "a is multiplied by itself, and may be in a product once",
		"a * (b + a) <1":                  "a is multiplied by itself, and may be in a product once",
		"a / b <= 1":                      "it divides by a parameter or by 0: multiply the other side instead",
		"a / 0 <= 1":                      "it divides by a parameter or by 0: multiply the other side instead",
		"(a + b <= 1":                     "a parenthesis is not closed",
		"a + <= 1":                        `"<=" stands where a number or a parameter is expected`,
		"a b <= 1":                        `"b" stands where a comparison is expected: <=, >=, < or >`,
		"a <= 1 b":                        `"b" is left over at its end`,
		"a <= 1)":                         `")" is left over at its end`,
		`"a <= 1`:                         "a name in quotes does not end, or is empty",
		"1 <= 2":                          "no parameter is left in it",
		"a - a <= 2":                      "no parameter is left in it",
		"a <= 1.2.3":                      `"1.2.3" is not a number`,
		"a <= 1e999":                      `"1e999" is not a number`,
		"exp(a) <= 1":                     `"(" stands where a comparison is expected: <=, >=, < or >`,
		"a ! b":                           `"!" stands where a comparison is expected: <=, >=, < or >`,
		"1e308 * a + 1e308 * 10 * a <= 1": "a number in it is too large",
	} {
		_, err := space.ParseConstraint(text)
		require.ErrorIs(t, err, space.ErrInvalid, text)
		assert.ErrorContains(t, err, says, text)
	}
}

func FuzzParseConstraint(f *testing.F) {
	f.Add("2 * (a + 'b c') - 3e-1 <= d*e")
	f.Add(`"x"<"y"`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := space.ParseConstraint(text)
		if err != nil {
			require.ErrorIs(t, err, space.ErrInvalid)
			return
		}
		again, err := space.ParseConstraint(c.Text)
		require.NoError(t, err)
		require.Equal(t, c, again)
		require.Equal(t, c.Names(), c.Rename(func(name string) string { return name }).Names())
	})
}

func TestWhere(t *testing.T) {
	a, b, c := space.Float("a", 0, 1), space.Float("b", 0, 1), space.Categorical("c", 1, 2)
	s := space.Of(a, b, c).Where("a + b <= 1", "a < 0.9", "c * a <= 1")
	texts := func(a space.Axis) (out []string) {
		for _, c := range a.Where {
			out = append(out, c.Text)
		}
		return out
	}
	assert.Equal(t, []string{"a < 0.9"}, texts(s[0]))
	assert.Equal(t, []string{"a + b <= 1"}, texts(s[1]))
	assert.Equal(t, []string{"c * a <= 1"}, texts(s[2]))
	assert.Len(t, s.Constraints(), 3)
	assert.True(t, s.Equal(space.Of(a, b, c)), "constraints are no part of what parameters are")

	assert.NoError(t, s.Meets(space.Settings{a.At(0.5), b.At(0.5), c.At(2)}))
	assert.NoError(t, s.Meets(space.Settings{b.At(1), c.At(2)}), "without a, none applies")
	err := s.Meets(space.Settings{a.At(0.5), b.At(0.75)})
	require.ErrorIs(t, err, space.ErrConstraint)
	assert.EqualError(t, err, "space: constraint not met: a + b <= 1 does not hold for a=0.5 b=0.75")

	declared := space.Of(a, b.Where("a + b <= 1").Where("b > 0.1"))
	assert.Len(t, declared[1].Where, 2)
	assert.Empty(t, b.Axis().Where, "a parameter does not change")
}

func TestWhereErrors(t *testing.T) {
	a, b, act := space.Float("a", 0, 1), space.Float("b", 0, 1), space.Categorical("act", "relu", "tanh")
	for says, declare := range map[string]func() (space.Space, error){
		`there is no parameter "z"`:           func() (space.Space, error) { return space.Of(a, b).Constrain("a < z") },
		`"act" has the choice relu, which is`: func() (space.Space, error) { return space.Of(a, act).Constrain("a < act") },
		`"b" is not declared before it`:       func() (space.Space, error) { return space.Space{a.Where("a < b").Axis(), b.Axis()}.Normalize() },
		`is an equation`:                      func() (space.Space, error) { return space.Of(a, b).Constrain("a == b") },
		`is not about this parameter`: func() (space.Space, error) {
			x := a.Axis()
			x.Where = []space.Constraint{space.Of(b).Where("b < 0.5")[0].Where[0]}
			return space.Space{b.Axis(), x}.Normalize()
		},
	} {
		_, err := declare()
		require.ErrorIs(t, err, space.ErrInvalid)
		assert.ErrorContains(t, err, says)
	}
	assert.Panics(t, func() { a.Where("b < 1") })
	assert.Panics(t, func() { space.Of(a).Where("a <") })
}

func TestRename(t *testing.T) {
	c := space.Of(space.Float("a", 0, 1), space.Float("b", 0, 1)).Where("2*a + 'b' <= 1")[1].Where[0]
	up := c.Rename(func(name string) string { return "net." + name })
	assert.Equal(t, []string{"net.a", "net.b"}, up.Names())
	assert.Equal(t, "2*net.a + net.b <= 1", up.Text)
	assert.Equal(t, `2*"net a" + "net b" <= 1`, c.Rename(func(name string) string { return "net " + name }).Text)
}

func ExampleSpace_Where() {
	low, high := space.Float("low", 0, 1), space.Float("high", 0, 1)
	s := space.Of(low, high).Where("low < high", "low + high <= 1.5")
	fmt.Println(s.Meets(space.Settings{low.At(0.7), high.At(0.2)}))
	// Output: space: constraint not met: low < high does not hold for high=0.2 low=0.7
}
