package dashboard

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/space"
)

// number formats a number with six digits.
func number(v float64) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// instant formats a time, or returns "" for the zero time.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// shown formats a value of a parameter.
func shown(l space.Literal) string {
	if v, ok := l.Any().(float64); ok {
		return number(v)
	}
	return l.String()
}

// short shortens a text that is too long for a line.
func short(s string, most int) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
