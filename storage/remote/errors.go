package remote

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "remote"

// A refusal is the form of an error in a message.
type refusal struct {
	code   string
	err    error // which it is to the client
	status int   // of HTTP, for proxies and logs
}

// refusals are in the order in which a server checks them.
var refusals = []refusal{
	{"not exist", storage.ErrNotExist, http.StatusNotFound},
	{"exist", storage.ErrExist, http.StatusConflict},
	{"no trial", storage.ErrNoTrial, http.StatusNotFound},
	{"finished", trial.ErrFinished, http.StatusConflict},
	{"report", trial.ErrReport, http.StatusConflict},
	{"mismatch", space.ErrMismatch, http.StatusConflict},
	{"values", trial.ErrValues, http.StatusBadRequest},
	{"outside", space.ErrOutside, http.StatusBadRequest},
	{"reserved", storage.ErrReserved, http.StatusBadRequest},
	{"invalid", space.ErrInvalid, http.StatusBadRequest},
	{"read only", storage.ErrReadOnly, http.StatusForbidden},
	{"access", storage.ErrAccess, http.StatusForbidden},
	{"busy", storage.ErrBusy, http.StatusServiceUnavailable},
	{"full", storage.ErrFull, http.StatusInsufficientStorage},
	{"unreachable", storage.ErrUnreachable, http.StatusServiceUnavailable}, // the server's database
	{"protocol", errProtocol, http.StatusNotFound},
	{"version", storage.ErrVersion, http.StatusInternalServerError}, // of the server's storage
	{"format", storage.ErrFormat, http.StatusInternalServerError},
	{"unsupported", errors.ErrUnsupported, http.StatusNotImplemented},
	{"path", storage.ErrPath, http.StatusInternalServerError},

	// Errors that the client handles itself.
	{"process", errProcess, http.StatusConflict},
	{"handle", errHandle, http.StatusGone},
	{"ending", errEnding, http.StatusServiceUnavailable},
	{"late", errLate, http.StatusConflict},
	{"message", errMessage, http.StatusBadRequest},
}

var (
	// errProtocol reports a request of another version of the protocol.
	errProtocol = fmt.Errorf("%w of the protocol", storage.ErrVersion)
	// errProcess reports a request to a process of the server that has ended.
	errProcess = errors.New("the server has restarted")
	// errHandle reports a study that the server no longer has open.
	errHandle = errors.New("the server has closed the study")
	// errEnding reports a server that is about to end.
	errEnding = errors.New("the server is ending")
	// errLate reports a copy of a request that was answered before.
	errLate = errors.New("the request was answered before")
)

// refusalOf returns the refusal for an error, and its text.
func refusalOf(err error) (refusal, string) {
	text := fault.Text(err, func(fault.Hint) string { return "" })
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return r, text
		}
	}
	return refusal{"", nil, http.StatusInternalServerError}, text
}

// received returns the error for a refusal. It has the server's text, and for errors.Is it is the server's error.
func received(code, text string) error {
	for _, r := range refusals {
		if r.code == code {
			return fault.Mark(errors.New(text), r.err)
		}
	}
	return fmt.Errorf("the server failed: %s", text)
}
