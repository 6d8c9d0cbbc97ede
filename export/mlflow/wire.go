package mlflow

import (
	"encoding/json"
	"math"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/attune-hpo/attune/trial"
)

// The limits of a tracking server.
const (
	maxName    = 250     // bytes of the name of a parameter, metric or tag
	maxParam   = 6000    // characters of a parameter
	maxTag     = 8000    // characters of a tag
	maxMetrics = 1000    // in one batch
	maxParams  = 100     // in one batch
	maxTags    = 100     // in one batch
	maxAll     = 1000    // of all three in one batch
	maxBody    = 900_000 // bytes of a batch; the limit is 1,000,000 bytes for the whole request
)

type (
	tag struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	metric struct {
		Key   string `json:"key"`
		Value float  `json:"value"`
		Time  int64  `json:"timestamp"` // ms
		Step  int    `json:"step"`
	}
	batch struct {
		Run     string   `json:"run_id"`
		Metrics []metric `json:"metrics,omitempty"`
		Params  []tag    `json:"params,omitempty"`
		Tags    []tag    `json:"tags,omitempty"`
	}
)

// A float is a JSON number in MLflow's form, which has strings for NaN and the infinities.
type float float64

// MarshalJSON implements [json.Marshaler].
func (f float) MarshalJSON() ([]byte, error) {
	x := float64(f)
	switch {
	case math.IsNaN(x):
		return []byte(`"NaN"`), nil
	case math.IsInf(x, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(x, -1):
		return []byte(`"-Infinity"`), nil
	}
	return strconv.AppendFloat(nil, x, 'g', -1, 64), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (f *float) UnmarshalJSON(text []byte) error {
	x, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	*f = float(x)
	return err
}

// parts splits a batch into batches within the server's limits.
func (b batch) parts() []batch {
	var out []batch
	now, size := batch{Run: b.Run}, 0
	room := func(n int) {
		full := len(now.Metrics) == maxMetrics || len(now.Params) == maxParams || len(now.Tags) == maxTags ||
			len(now.Metrics)+len(now.Params)+len(now.Tags) == maxAll
		if full || size > 0 && size+n > maxBody {
			out = append(out, now)
			now, size = batch{Run: b.Run}, 0
		}
		size += n
	}
	for _, m := range b.Metrics {
		room(len(m.Key) + 100)
		now.Metrics = append(now.Metrics, m)
	}
	for _, p := range b.Params {
		room(jsonSize(p))
		now.Params = append(now.Params, p)
	}
	for _, t := range b.Tags {
		room(jsonSize(t))
		now.Tags = append(now.Tags, t)
	}
	if size > 0 {
		out = append(out, now)
	}
	return out
}

func jsonSize(t tag) int {
	text, _ := json.Marshal(t)
	return len(text) + 1
}

// names makes names that MLflow accepts, and different ones for different things.
type names struct {
	made map[thing]string
	used map[string]bool
}

// A thing is something with a name. An attribute can have the name of an objective.
type thing struct{ kind, name string }

// of returns the name of a thing. It is the same each time.
func (n *names) of(kind, name string) string {
	it := thing{kind, name}
	if name, ok := n.made[it]; ok {
		return name
	}
	if n.made == nil {
		n.made, n.used = map[thing]string{}, map[string]bool{}
	}
	first := allowed(name)
	name = first
	for i := 2; n.used[name]; i++ {
		end := "_" + strconv.Itoa(i)
		name = clip(first, maxName-len(end)) + end
	}
	n.made[it], n.used[name] = name, true
	return name
}

// allowed replaces each character that MLflow does not allow in a name by _.
func allowed(text string) string {
	name := strings.Map(func(r rune) rune {
		if r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-. :/", r)) {
			return r
		}
		return '_'
	}, text)
	name = clip(name, maxName)
	// Some of MLflow's stores use names as paths.
	if path.Clean(name) != name || name[0] == '/' || name == "." || strings.HasPrefix(name, "..") {
		name = strings.ReplaceAll(name, "/", "_")
		if name == "" || name[0] == '.' {
			name = clip("_"+name, maxName)
		}
	}
	return name
}

// clip returns the beginning of a text, at most n bytes.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// cut returns a text of at most n characters.
func cut(text string, n int) string {
	text = strings.ToValidUTF8(text, "�")
	if len(text) <= n || utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// millis returns a time in MLflow's unit.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// status returns MLflow's status for the state of a trial.
func status(s trial.State) string {
	switch s {
	case trial.Complete:
		return "FINISHED"
	case trial.Pruned:
		return "KILLED"
	case trial.Failed:
		return "FAILED"
	}
	return "RUNNING"
}
