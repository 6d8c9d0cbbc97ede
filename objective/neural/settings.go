package neural

import (
	"bytes"
	"embed"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
)

//go:embed spaces/*.yaml
var spaces embed.FS

// defaultSpace returns a shipped space, adapted to series as in [Model]. Parameters of
// axes replace those of the same name, or are added.
func defaultSpace(name string, quick bool, train forecast.Frame, axes space.Space) space.Space {
	if quick {
		name += "-quick"
	}
	text, err := spaces.ReadFile("spaces/" + name + ".yaml")
	if err != nil {
		panic(err) // the file is embedded
	}
	s, err := spaceyaml.Read(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	longest := 2
	for _, series := range train {
		longest = max(longest, series.Len())
	}
	if i := s.Index("window"); i >= 0 && len(train) > 0 {
		d := s[i].Distribution.(space.IntDistribution)
		d.High = min(d.High, longest/2)
		d.Low = min(d.Low, d.High)
		s[i].Distribution = d
	}
	if len(train) > 0 && s.Index("transform") < 0 {
		s = append(space.Space{space.Categorical("transform", forecast.TransformsToTry(train)...).Axis()}, s...)
	}
	for _, a := range axes {
		if i := s.Index(a.Name); i >= 0 {
			s[i] = a
		} else {
			s = append(s, a)
		}
	}
	return withCalendar(s, train)
}

// A field is a setting of a model and its name.
type field struct {
	name string
	set  func(v any) error // v: bool, int64, float64 or string
}

// apply sets fields by name. It fails with [forecast.ErrConfig].
func apply(family string, settings space.Settings, fields []field) error {
	for _, s := range settings {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == s.Name })
		if i < 0 {
			var names []string
			for _, f := range fields {
				names = append(names, f.name)
			}
			return fault.Mark(pkg.Errorf("%s: there is no %s: there are %s", family, s.Name, strings.Join(names, ", ")), forecast.ErrConfig)
		}
		if err := fields[i].set(s.Value.Any()); err != nil {
			return fault.Mark(pkg.Errorf("%s: %s is %s: %w", family, s.Name, s.Value, err), forecast.ErrConfig)
		}
	}
	return nil
}

// whole is an integer setting of at least low.
func whole(name string, p *int, low int) field {
	return field{name, func(v any) error {
		n, ok := v.(int64)
		if f, isFloat := v.(float64); isFloat && f == math.Trunc(f) && math.Abs(f) < 1<<31 {
			n, ok = int64(f), true
		}
		if !ok || n < int64(low) || n > math.MaxInt32 {
			return fmt.Errorf("want a whole number from %d", low)
		}
		*p = int(n)
		return nil
	}}
}

func number(name string, set func(float64)) field {
	return field{name, func(v any) error {
		f, ok := v.(float64)
		if n, isInt := v.(int64); isInt {
			f, ok = float64(n), true
		}
		if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("want a number")
		}
		set(f)
		return nil
	}}
}

// positive is a number setting above 0, because 0 would mean the default.
func positive(name string, p *float64) field {
	f := number(name, func(v float64) { *p = v })
	set := f.set
	f.set = func(v any) error {
		if err := set(v); err != nil {
			return err
		}
		if *p <= 0 {
			return fmt.Errorf("want a number above 0")
		}
		return nil
	}
	return f
}

func boolean(name string, set func(bool)) field {
	return field{name, func(v any) error {
		b, ok := v.(bool)
		if !ok {
			return fmt.Errorf("want true or false")
		}
		set(b)
		return nil
	}}
}

func text(name string, set func(string) error) field {
	return field{name, func(v any) error {
		s, ok := v.(string)
		if !ok || s == "" {
			return fmt.Errorf("want a text")
		}
		return set(s)
	}}
}

func textTo(name string, p *string) field {
	return text(name, func(s string) error { *p = s; return nil })
}

// orNone is an integer setting where 0 means none, which is stored as -1.
func orNone(name string, p *int) field {
	f := whole(name, p, 0)
	set := f.set
	f.set = func(v any) error {
		err := set(v)
		if err == nil && *p == 0 {
			*p = -1
		}
		return err
	}
	return f
}

func transformField(p *forecast.Transform) field {
	return field{"transform", func(v any) error {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("want a text")
		}
		t, err := forecast.ParseTransform(s)
		if err != nil {
			return err
		}
		*p = t
		return nil
	}}
}

// fields are the settings that all networks share.
func (t *Training) fields() []field {
	return []field{
		whole("window", &t.Window, 1),
		transformField(&t.Transform),
		boolean("subtract_last", func(b bool) { t.KeepLevel = !b }),
		boolean("shortcut", func(b bool) { t.Shortcut = b }),
		calendarField(&t.Calendar),
		positive("learning_rate", &t.LearningRate),
		whole("epochs", &t.Epochs, 1),
		whole("batch_size", &t.Batch, 1),
		textTo("loss", &t.Loss),
		textTo("optimizer", &t.Optimizer),
		number("weight_decay", func(v float64) { t.WeightDecay = v }),
		number("clip", func(v float64) {
			if t.Clip = v; v == 0 {
				t.Clip = -1
			}
		}),
		textTo("schedule", &t.Schedule),
		orNone("patience", &t.Patience),
		textTo("device", &t.Device),
	}
}
