package space

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrConstraint reports values that do not meet a [Constraint], or a constraint that no values meet.
var ErrConstraint = errors.New("constraint not met")

// A Constraint is a comparison that the parameters of a trial must satisfy, such as "a + b
// <= 1". [ParseConstraint] makes one. It restricts the points that are tried, and is known
// before a trial begins. Constraints on measured results are a different thing; see package
// trial.
//
// The sum of the Terms must be at most Bound, or less than Bound if Strict is set. A constraint applies to trials
// that have all of its parameters. To allow for rounding, two numbers count as equal if they differ by at most 1e-12
// of the largest term.
type Constraint struct {
	Text   string // as it was written
	Terms  []Term // in a fixed order
	Bound  float64
	Strict bool
}

// A Term is the product of a number and of distinct parameters.
type Term struct {
	Coef  float64
	Names []string // sorted; at least one
}

// mostTerms bounds what a product of sums may become.
const mostTerms = 256

// ParseConstraint reads a comparison of two expressions with <=, >=, < or >:
//
//	a + b <= 1
//	low < high
//	2 * (workers + 1) * batch <= 1024
//	"learning rate" >= 0.1 * decay
//
// An expression has numbers, parameters, +, -, *, parentheses, and division by a number. A name that has
// characters other than letters, digits, _ and ., or that begins with a digit, must be in single or double
// quotes. No parameter is multiplied by itself. The error wraps [ErrInvalid] and says where the text goes
// wrong.
func ParseConstraint(text string) (Constraint, error) {
	p := &parser{text: text}
	c, err := p.constraint()
	if err != nil {
		return Constraint{}, pkg.Errorf("%w: constraint %q: %s", ErrInvalid, text, err)
	}
	return c, nil
}

// String returns the text of c.
func (c Constraint) String() string { return c.Text }

// Names returns the parameters of c, sorted.
func (c Constraint) Names() []string {
	names := map[string]bool{}
	for _, t := range c.Terms {
		for _, n := range t.Names {
			names[n] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Rename returns c with other names, also in its text. The function must map different names to different names.
func (c Constraint) Rename(name func(string) string) Constraint {
	var text strings.Builder
	for p := (&parser{text: c.Text}); ; {
		before := p.at
		token, quoted, err := p.next()
		if err != nil || token == "" {
			break
		}
		r, _ := utf8.DecodeRuneInString(token)
		if !quoted && !unicode.IsLetter(r) && r != '_' {
			text.WriteString(c.Text[before:p.at])
			continue
		}
		own := c.Text[before:p.at]
		text.WriteString(own[:len(own)-len(strings.TrimLeft(own, " \t\r\n"))])
		text.WriteString(quoteName(name(token)))
	}
	renamed, err := ParseConstraint(text.String())
	if err != nil {
		return c // a name with both kinds of quotes cannot be written
	}
	return renamed
}

// quoteName returns a name as a constraint has it.
func quoteName(name string) string {
	p := &parser{text: name}
	token, quoted, err := p.next()
	r, _ := utf8.DecodeRuneInString(token)
	switch {
	case err == nil && !quoted && token == name && (unicode.IsLetter(r) || r == '_'):
		return name
	case strings.Contains(name, `"`):
		return "'" + name + "'"
	}
	return `"` + name + `"`
}

// Holds reports whether the values of g meet c. It returns true if g lacks one of the parameters.
func (c Constraint) Holds(g Getter) bool {
	sum, size := 0.0, math.Abs(c.Bound)
	for _, t := range c.Terms {
		product := t.Coef
		for _, n := range t.Names {
			l, ok := g.Get(n)
			if !ok {
				return true
			}
			x, ok := l.number()
			if !ok {
				return false
			}
			product *= x
		}
		sum, size = sum+product, max(size, math.Abs(product))
	}
	return c.Admits(sum, size)
}

// Admits reports whether a sum of terms meets c. Size is the largest absolute value among the terms and the bound.
func (c Constraint) Admits(sum, size float64) bool {
	rounding := 1e-12 * size
	if c.Strict {
		return sum < c.Bound-rounding
	}
	return sum <= c.Bound+rounding
}

// Number returns the number at coordinate x of d. It returns false for a choice that is not a number.
func Number(d Distribution, x float64) (float64, bool) {
	c, ok := d.(*CategoricalDistribution)
	if !ok {
		return x, true
	}
	return c.Choices[int(x)].number()
}

// Where returns s with constraints, each of which [ParseConstraint] reads. Like [Of] it panics on mistakes in the
// source; see [Space.Constrain].
func (s Space) Where(constraints ...string) Space {
	s, err := s.Constrain(constraints...)
	if err != nil {
		panic(err)
	}
	return s
}

// Constrain returns s with constraints, each of which [ParseConstraint] reads. A constraint
// belongs to the last of its parameters. It fails with an error that wraps [ErrInvalid] for
// a text that is not a constraint, for a parameter that s lacks, and for a parameter with a
// choice that is not a number.
func (s Space) Constrain(constraints ...string) (Space, error) {
	out := slices.Clone(s)
	for _, text := range constraints {
		c, err := ParseConstraint(text)
		if err != nil {
			return nil, err
		}
		last := -1
		for _, n := range c.Names() {
			i := s.Index(n)
			if i < 0 {
				return nil, pkg.Errorf("%w: constraint %q: there is no parameter %q", ErrInvalid, text, n)
			}
			last = max(last, i)
		}
		out[last].Where = append(slices.Clip(out[last].Where), c)
	}
	return out.Normalize()
}

// Constraints returns the constraints of all parameters of s, in order.
func (s Space) Constraints() []Constraint {
	var out []Constraint
	for _, a := range s {
		out = append(out, a.Where...)
	}
	return out
}

// Meets returns an error that wraps [ErrConstraint] for the first constraint of s that the
// values of g do not meet.
func (s Space) Meets(g Getter) error {
	for _, a := range s {
		for _, c := range a.Where {
			if !c.Holds(g) {
				return c.broken(g)
			}
		}
	}
	return nil
}

// broken returns the error for values that do not meet c.
func (c Constraint) broken(g Getter) error {
	var values []string
	for _, n := range c.Names() {
		if l, ok := g.Get(n); ok {
			values = append(values, n+"="+l.String())
		}
	}
	return pkg.Errorf("%w: %s does not hold for %s", ErrConstraint, c, strings.Join(values, " "))
}

// check returns an error if a constraint of the last axis of s does not fit: it names that
// axis, only others before it, and numbers only.
func (c Constraint) check(s Space, find *Finder) error {
	own := s[len(s)-1].Name
	names := c.Names()
	if !slices.Contains(names, own) {
		return invalid("constraint %q is not about this parameter", c.Text)
	}
	for _, n := range names {
		at := len(s) - 1
		if n != own {
			if at = find.Index(s[:at], n); at < 0 {
				return invalid("constraint %q: %q is not declared before it: declare it first", c.Text, n)
			}
		}
		d, ok := s[at].Distribution.(*CategoricalDistribution)
		if !ok {
			continue
		}
		for _, l := range d.Choices {
			if x, ok := l.number(); !ok || math.IsNaN(x) || math.IsInf(x, 0) {
				return invalid("constraint %q: %q has the choice %s, which is not a number", c.Text, n, l)
			}
		}
	}
	return nil
}

// A polynomial has coefficients by the sorted names of a term, each written with a 0 behind
// it; "" is the constant.
type polynomial map[string]float64

func (p polynomial) add(q polynomial, factor float64) polynomial {
	out := maps.Clone(p)
	for k, c := range q {
		out[k] += factor * c
	}
	return out
}

func (p polynomial) times(q polynomial) (polynomial, error) {
	out := polynomial{}
	for a, x := range p {
		for b, y := range q {
			names := slices.Sorted(slices.Values(append(termNames(a), termNames(b)...)))
			for i := range names {
				if i > 0 && names[i] == names[i-1] {
					return nil, fmt.Errorf("%s is multiplied by itself, and may be in a product once", names[i])
				}
			}
			out[termKey(names)] += x * y
		}
	}
	if len(out) > mostTerms {
		return nil, fmt.Errorf("it has more than %d terms: shorten it", mostTerms)
	}
	return out, nil
}

func termKey(names []string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString(n + "\x00")
	}
	return b.String()
}

func termNames(key string) []string {
	names := strings.Split(key, "\x00")
	return names[:len(names)-1]
}

// A parser reads a constraint from left to right.
type parser struct {
	text  string
	at    int
	depth int
}

// next returns the token at p, and goes beyond it: a number, a name (quoted is set if it was
// in quotes), a sign, or "" at the end.
func (p *parser) next() (token string, quoted bool, err error) {
	p.at += len(p.text[p.at:]) - len(strings.TrimLeft(p.text[p.at:], " \t\r\n"))
	rest := p.text[p.at:]
	if rest == "" {
		return "", false, nil
	}
	r, size := utf8.DecodeRuneInString(rest)
	n := size
	switch {
	case r == '"' || r == '\'':
		end := strings.IndexByte(rest[1:], rest[0])
		if end <= 0 {
			return "", false, errors.New("a name in quotes does not end, or is empty")
		}
		p.at += end + 2
		return rest[1 : end+1], true, nil
	case unicode.IsDigit(r) || r == '.':
		for n < len(rest) && (strings.IndexByte("0123456789.eE", rest[n]) >= 0 ||
			strings.IndexByte("+-", rest[n]) >= 0 && strings.IndexByte("eE", rest[n-1]) >= 0) {
			n++
		}
	case unicode.IsLetter(r) || r == '_':
		for n < len(rest) {
			r, size := utf8.DecodeRuneInString(rest[n:])
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '.' {
				break
			}
			n += size
		}
	case r == '<' || r == '>':
		if n < len(rest) && rest[n] == '=' {
			n++
		}
	}
	p.at += n
	return rest[:n], false, nil
}

// peek returns the token at p, unless it is a name in quotes.
func (p *parser) peek() string {
	at := p.at
	token, quoted, err := p.next()
	p.at = at
	if quoted || err != nil {
		return ""
	}
	return token
}

func (p *parser) constraint() (Constraint, error) {
	left, err := p.sum()
	if err != nil {
		return Constraint{}, err
	}
	sign, quoted, err := p.next()
	if err != nil {
		return Constraint{}, err
	}
	factor := 1.0
	switch {
	case quoted:
		return Constraint{}, fmt.Errorf("%q stands where a comparison is expected: <=, >=, < or >", sign)
	case sign == "<=" || sign == "≤" || sign == "<":
	case sign == ">=" || sign == "≥" || sign == ">":
		factor = -1
	case sign == "=":
		return Constraint{}, errors.New("it is an equation: leave one of its parameters out, and compute it from the others")
	case sign == "":
		return Constraint{}, errors.New("it ends without a comparison: <=, >=, < or >")
	default:
		return Constraint{}, fmt.Errorf("%q stands where a comparison is expected: <=, >=, < or >", sign)
	}
	right, err := p.sum()
	if err != nil {
		return Constraint{}, err
	}
	switch extra := p.peek(); {
	case strings.ContainsAny(extra, "<>≤≥="):
		return Constraint{}, errors.New("it has two comparisons: write two constraints")
	case p.at+len(strings.TrimLeft(p.text[p.at:], " \t\r\n")) != p.at:
		return Constraint{}, fmt.Errorf("%q is left over at its end", strings.TrimSpace(p.text[p.at:]))
	}
	whole := left.add(right, -1)
	c := Constraint{Text: strings.TrimSpace(p.text), Strict: sign == "<" || sign == ">", Bound: -factor * whole[""]}
	if c.Bound == 0 {
		c.Bound = 0 // and not -0
	}
	for key, coef := range whole {
		if key != "" && coef != 0 {
			c.Terms = append(c.Terms, Term{factor * coef, termNames(key)})
		}
		if math.IsInf(coef, 0) || math.IsNaN(coef) {
			return Constraint{}, errors.New("a number in it is too large")
		}
	}
	if len(c.Terms) == 0 {
		return Constraint{}, errors.New("no parameter is left in it")
	}
	slices.SortFunc(c.Terms, func(a, b Term) int { return cmp.Or(len(a.Names)-len(b.Names), slices.Compare(a.Names, b.Names)) })
	return c, nil
}

func (p *parser) sum() (polynomial, error) {
	total, err := p.product()
	for err == nil {
		factor := 1.0
		switch p.peek() {
		case "+":
		case "-", "−":
			factor = -1
		default:
			return total, nil
		}
		_, _, _ = p.next()
		var more polynomial
		if more, err = p.product(); err == nil {
			total = total.add(more, factor)
		}
	}
	return nil, err
}

func (p *parser) product() (polynomial, error) {
	total, err := p.factor()
	for err == nil {
		sign := p.peek()
		if sign != "*" && sign != "·" && sign != "/" {
			return total, nil
		}
		_, _, _ = p.next()
		var by polynomial
		if by, err = p.factor(); err != nil {
			break
		}
		if sign != "/" {
			total, err = total.times(by)
			continue
		}
		divisor := by[""]
		if len(by) > 1 || len(by) == 1 && divisor == 0 {
			return nil, errors.New("it divides by a parameter or by 0: multiply the other side instead")
		}
		total = polynomial{}.add(total, 1/divisor)
	}
	return nil, err
}

func (p *parser) factor() (polynomial, error) {
	const deepest = 100
	if p.depth++; p.depth > deepest {
		return nil, errors.New("it is nested too deeply")
	}
	defer func() { p.depth-- }()
	token, quoted, err := p.next()
	if err != nil {
		return nil, err
	}
	r, _ := utf8.DecodeRuneInString(token)
	switch {
	case quoted || unicode.IsLetter(r) || r == '_':
		return polynomial{termKey([]string{token}): 1}, nil
	case token == "":
		return nil, errors.New("it ends where a number or a parameter is expected")
	case token == "-" || token == "−" || token == "+":
		inner, err := p.factor()
		if err != nil || token == "+" {
			return inner, err
		}
		return polynomial{}.add(inner, -1), nil
	case token == "(":
		inner, err := p.sum()
		if err != nil {
			return nil, err
		}
		if closing, quoted, err := p.next(); err != nil || quoted || closing != ")" {
			return nil, errors.New("a parenthesis is not closed")
		}
		return inner, nil
	case unicode.IsDigit(r) || r == '.':
		x, err := strconv.ParseFloat(token, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", token)
		}
		return polynomial{"": x}, nil
	}
	return nil, fmt.Errorf("%q stands where a number or a parameter is expected", token)
}
