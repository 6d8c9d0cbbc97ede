package model

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "model"

var otherName = fault.Hint{Field: "study.Create", Want: "give %s another name"}

// RecordKey is the attribute of a study that records its task: a JSON object with the
// kind's name as "kind", the metric's as "metric", the fixed hyperparameters as "fixed",
// and the facts of the kind.
const RecordKey = "task"

// ErrStudy reports a study of another task, whose values are not comparable.
var ErrStudy = errors.New("study of another task")

// A Fact is something that the values of trials depend on. The record of a study holds it
// as Name and the JSON of Value.
type Fact struct {
	Name  string
	Value any
}

// A Fingerprint is the value of a fact that has no meaning to people.
type Fingerprint string

// A Conflict says how the record of a study differs from a task. It wraps [ErrStudy].
type Conflict struct {
	Study string
	Fact  string // the first fact that differs
	Was   string // value in the record, as JSON; "" for a [Fingerprint]
	Is    string // value of the task
}

// Error returns the fact that differs, with its old and its new value.
func (c *Conflict) Error() string {
	if c.Was == "" {
		return fmt.Sprintf("%v: %q was begun on other %s", ErrStudy, c.Study, c.Fact)
	}
	return fmt.Sprintf("%v: %q was begun with %s %s, and now it is %s", ErrStudy, c.Study, c.Fact, c.Was, c.Is)
}

// Unwrap returns [ErrStudy].
func (c *Conflict) Unwrap() error { return ErrStudy }

// facts are all facts of the task. Those that all tasks have come first.
func (t Task[M]) facts() []Fact {
	return append([]Fact{{"kind", t.Kind.Name()}, {"metric", t.Kind.Metric().Name()}, {"fixed", settings(t.Fixed)}}, t.Kind.Facts()...)
}

// Agree fails with a [Conflict] if attrs, the attributes of the named study, record another
// task, and with [ErrStudy] if the record cannot be read. A study without a record agrees.
// begun reports whether it has one.
func (t Task[M]) Agree(study string, attrs trial.Attrs) (begun bool, err error) {
	a, begun := attrs.Get(RecordKey)
	if !begun {
		return false, nil
	}
	var was map[string]json.RawMessage
	if err := a.Decode(&was); err != nil {
		return true, pkg.Errorf("%w: the record of %q cannot be read, because another version of attune wrote it: %w", ErrStudy, study, otherName)
	}
	for _, f := range t.facts() {
		now, err := json.Marshal(f.Value)
		if err != nil {
			return true, pkg.Errorf("fact %q: %w", f.Name, err)
		}
		// If the record lacks a fact, the version that wrote it did not know the fact.
		then, known := was[f.Name]
		if !known || bytes.Equal(compact(then), compact(now)) {
			continue
		}
		c := &Conflict{Study: study, Fact: f.Name}
		if _, opaque := f.Value.(Fingerprint); !opaque {
			c.Was, c.Is = string(then), string(now)
		}
		return true, pkg.Errorf("%w: %w", c, otherName)
	}
	return true, nil
}

func compact(text []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return text
	}
	return b.Bytes()
}

// claim records the task in a study, unless the study records another one.
func (t Task[M]) claim(ctx context.Context, st *study.Study) error {
	attrs, err := st.Attrs(ctx)
	if err != nil {
		return err
	}
	if begun, err := t.Agree(st.Name(), attrs); err != nil || begun {
		return err
	}
	return st.SetAttr(ctx, RecordKey, t.Record())
}

// Record returns the value that the attribute [RecordKey] has in a study of the task.
func (t Task[M]) Record() json.Marshaler { return record(t.facts()) }

// A record is a JSON object of facts, in their order.
type record []Fact

// MarshalJSON implements [json.Marshaler].
func (r record) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(f.Name)
		value, err := json.Marshal(f.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
