package onnx

import (
	"strconv"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// TrialMetadata returns metadata that name the trial and the study of a model, for [Info.Metadata]:
//
//	attune.study         its name
//	attune.trial         the trial's number
//	attune.value         its value; attune.value.NAME, or .0, .1 and so on, of several objectives
//	attune.param.NAME    each parameter, as the table of package export writes it
func TrialMetadata(s trial.Header, r trial.Record) []Property {
	m := []Property{{"attune.study", s.Name}, {"attune.trial", strconv.Itoa(r.Number)}}
	names := s.Metrics()
	for i, x := range r.Values {
		key := "attune.value"
		switch {
		case i < len(names):
			key += "." + names[i]
		case len(r.Values) > 1:
			key += "." + strconv.Itoa(i)
		}
		m = append(m, Property{key, space.Lit(x).String()})
	}
	for name, l := range r.Params.All() {
		m = append(m, Property{"attune.param." + name, l.String()})
	}
	return m
}
