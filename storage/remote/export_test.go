package remote

import "github.com/attune-hpo/attune/trial"

var requests uint64

// Request returns the body of a request for a change, of the study that the handler has open.
func (h *Handler) Request(ofStudy bool, args []byte) []byte {
	requests++
	var e encoder
	e.text("test")
	e.uint(requests)
	e.uint(requests)
	e.text(h.process)
	if ofStudy {
		e.uint(h.studies.byName["a"].handle)
	}
	return append(e.b, args...)
}

// Record returns the arguments of add.
func Record(r trial.Record) []byte {
	var e encoder
	e.count(1)
	e.record(r)
	return e.b
}

// Changes returns the arguments of write to trial 0.
func Changes(cs ...trial.Change) []byte {
	var e encoder
	e.number(0)
	e.changes(cs)
	return e.b
}
