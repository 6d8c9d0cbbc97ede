package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/space"
)

// The places other than parameters.
const (
	trialPlace  = "trial"
	seedPlace   = "seed"
	workerPlace = "worker"
	paramsPlace = "params"
)

var otherPlaces = []string{trialPlace, seedPlace, workerPlace, paramsPlace}

// A template is a list of arguments with places for values.
type template []argument

// An argument is a sequence of texts and places.
type argument []part

// A part is a text or, if place is not empty, the place of a value.
type part struct{ text, place string }

// name distinguishes an unknown place from braces with another meaning.
var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// parse reads arguments. {NAME} is a place if NAME is known. {{NAME}} is the text {NAME}.
// Other braces, including ${NAME}, are text.
func parse(args []string, s space.Space) (template, error) {
	var out template
	for _, text := range args {
		a, err := parseArgument(text, s)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func parseArgument(whole string, s space.Space) (argument, error) {
	text := whole
	known := func(name string) bool { return s.Index(name) >= 0 || slices.Contains(otherPlaces, name) }
	var a argument
	add := func(text string) {
		if n := len(a); n > 0 && a[n-1].place == "" {
			a[n-1].text += text
		} else if text != "" {
			a = append(a, part{text: text})
		}
	}
	for {
		before, rest, found := strings.Cut(text, "{")
		add(before)
		if !found {
			return a, nil
		}
		text = rest
		inner, after, closed := strings.Cut(rest, "}")
		quoted, escaped := strings.CutPrefix(inner, "{")
		switch {
		case strings.HasSuffix(before, "$"): // a variable of a shell
			add("{")
		case closed && escaped && known(quoted) && strings.HasPrefix(after, "}"):
			add("{" + quoted + "}")
			text = after[1:]
		case closed && known(inner):
			a = append(a, part{place: inner})
			text = after
		case closed && !escaped && name.MatchString(inner):
			return nil, fmt.Errorf("%w: argument %q: there is no parameter %q: the space has %s", ErrConfig, whole, inner, strings.Join(names(s), ", "))
		default:
			add("{")
		}
	}
}

func names(s space.Space) []string {
	var out []string
	for _, a := range s {
		out = append(out, a.Name)
	}
	return out
}

// places reports whether a has places, and whether it has nothing else.
func (a argument) places() (some, only bool) {
	for _, p := range a {
		if p.place != "" {
			some = true
		}
	}
	return some, some && !slices.ContainsFunc(a, func(p part) bool { return p.place == "" })
}

// fill returns the arguments with a value in each place. If get lacks a value for an argument,
// fill leaves the argument out, and also an option before it whose value it would be.
func (t template) fill(get func(place string) (string, bool)) []string {
	var out []string
	option := false // the last of out may be an option with the next argument as its value
	for _, a := range t {
		some, only := a.places()
		text, ok := a.fill(get)
		switch {
		case ok:
			out = append(out, text)
			option = !some && strings.HasPrefix(text, "-") && text != "-" && text != "--"
			continue
		case only && option:
			out = out[:len(out)-1]
		}
		option = false
	}
	return out
}

func (a argument) fill(get func(place string) (string, bool)) (text string, ok bool) {
	var b strings.Builder
	for _, p := range a {
		value := p.text
		if p.place != "" {
			if value, ok = get(p.place); !ok {
				return "", false
			}
		}
		b.WriteString(value)
	}
	return b.String(), true
}

// has reports whether t has a place of that name.
func (t template) has(place string) bool {
	for _, a := range t {
		for _, p := range a {
			if p.place == place {
				return true
			}
		}
	}
	return false
}
