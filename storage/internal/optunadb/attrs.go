package optunadb

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// Interpret moves the system attributes of a trial, in the order of their rows, to their fields in a record. It skips
// an attribute that does not have the form that its key requires.
func Interpret(r *trial.Record, as []trial.Attr) {
	var pieces map[string]string
	for _, a := range as {
		switch {
		case a.Key == ErrorKey:
			_ = pyjson.Unmarshal(a.JSON, &r.Err)
		case a.Key == FixedKey:
			r.Fixed = settings(a.JSON)
		case strings.HasPrefix(a.Key, ProposedPrefix):
			if r.State.Done() {
				break // means nothing any more
			}
			var piece string
			if pyjson.Unmarshal(a.JSON, &piece) == nil {
				if pieces == nil {
					pieces = map[string]string{}
				}
				pieces[a.Key[len(ProposedPrefix):]] = piece
			}
		case a.Key == ConstraintsKey:
			var list []float64
			if pyjson.Unmarshal(a.JSON, &list) == nil {
				for i, x := range list {
					constrain(r, strconv.Itoa(i), x, false)
				}
			}
		case strings.HasPrefix(a.Key, ConstraintPrefix):
			var x float64
			if pyjson.Unmarshal(a.JSON, &x) == nil {
				constrain(r, a.Key[len(ConstraintPrefix):], x, true)
			}
		case strings.HasPrefix(a.Key, OwnPrefix): // of a later version
		default:
			r.Notes = append(r.Notes, a)
		}
	}
	if pieces != nil {
		r.Proposed = proposal(pieces)
	}
}

// proposal joins the pieces of a proposal. One that another worker is writing
// just now, and is not whole, is none.
func proposal(pieces map[string]string) []space.Setting {
	var whole strings.Builder
	for i := 0; ; i++ {
		piece, ok := pieces[strconv.Itoa(i)]
		if !ok {
			break
		}
		whole.WriteString(piece)
	}
	return settings(whole.String())
}

// settings reads an object as settings, in its order. A value that is no scalar
// stays JSON text. What is not an object has none.
func settings(text string) (out []space.Setting) {
	v, err := pyjson.Parse(text)
	if err != nil || v.Kind != pyjson.Object {
		return nil
	}
	for _, m := range v.Members {
		out = append(out, space.Setting{Name: m.Key, Value: space.Literal(m.Value.String())})
	}
	return out
}

// constrain sets a constraint unless there is one and it shall stay.
func constrain(r *trial.Record, name string, x float64, replace bool) {
	i, found := slices.BinarySearchFunc(r.Constraints, name, func(c trial.Constraint, name string) int { return cmp.Compare(c.Name, name) })
	switch {
	case !found:
		r.Constraints = slices.Insert(r.Constraints, i, trial.Constraint{Name: name, Value: x})
	case replace:
		r.Constraints[i].Value = x
	}
}

// Fixed returns the attribute that holds settings which were enqueued.
func Fixed(ss []space.Setting) trial.Attr { return trial.Attr{Key: FixedKey, JSON: object(ss)} }

// Constrained returns the attribute that holds a constraint.
func Constrained(c trial.Constraint) trial.Attr {
	return trial.Attr{Key: ConstraintPrefix + c.Name, JSON: string(pyjson.AppendFloat(nil, c.Value))}
}

// Reason returns the attribute that holds why a trial failed.
func Reason(text string) trial.Attr { return trial.Attr{Key: ErrorKey, JSON: quote(text)} }

// maxPiece is how many characters of a proposal stand in one attribute.
const maxPiece = 2045

// Proposed returns the attributes that hold a proposal, as Optuna cuts it into
// pieces.
func Proposed(p []space.Setting) (pieces []trial.Attr) {
	if len(p) == 0 {
		return nil
	}
	for text := object(p); len(text) > 0; {
		n := min(len(text), maxPiece)
		pieces = append(pieces, trial.Attr{Key: ProposedPrefix + strconv.Itoa(len(pieces)), JSON: quote(text[:n])})
		text = text[n:]
	}
	return pieces
}

// object returns settings as a JSON object, in their order.
func object(ss []space.Setting) string {
	b := []byte{'{'}
	for i, s := range ss {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(pyjson.AppendString(b, s.Name), ": "...)
		b = append(b, s.Value...)
	}
	return string(append(b, '}'))
}

// quote returns s as a JSON string.
func quote(s string) string { return string(pyjson.AppendString(nil, s)) }
