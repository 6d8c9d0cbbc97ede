package mlflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "mlflow"

// ErrServer is wrapped by every error response of a tracking server; see [Error].
var ErrServer = errors.New("the MLflow server refused")

// An Error is the error response of a tracking server.
type Error struct {
	Status  int    // HTTP status
	Code    string // MLflow's error code, such as INVALID_PARAMETER_VALUE; may be empty
	Message string
}

// Error returns the server's message.
func (e *Error) Error() string {
	what := e.Code
	if what == "" {
		what = http.StatusText(e.Status)
	}
	message := strings.TrimSpace(e.Message)
	if message == "" {
		message = "no reason given"
	}
	if r := []rune(message); len(r) > 300 {
		message = string(r[:300]) + "…"
	}
	return fmt.Sprintf("%v: %d %s: %s", ErrServer, e.Status, what, strings.ReplaceAll(message, "\n", " "))
}

// Is reports whether target is [ErrServer].
func (e *Error) Is(target error) bool { return target == ErrServer }

// A Client talks to one tracking server. It is safe for concurrent use. No error contains
// its secrets.
type Client struct {
	// URL is the URL of the server, such as http://127.0.0.1:5000, with its path prefix if it
	// has one.
	URL string
	// Token is sent as a bearer token, unless it is empty.
	Token string
	// Username and Password are sent if Token is empty and Username is not empty.
	Username, Password string
	// HTTP makes the requests. The default is a client with a timeout of 30 s.
	HTTP *http.Client
}

// FromEnv returns a client with the settings of MLflow's own client: MLFLOW_TRACKING_URI,
// MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
func FromEnv() (*Client, error) {
	uri := os.Getenv("MLFLOW_TRACKING_URI")
	if uri == "" {
		return nil, pkg.Errorf("MLFLOW_TRACKING_URI is not set: set it to the address of a tracking server, such as http://127.0.0.1:5000")
	}
	return NewClient(uri)
}

// NewClient returns a client for the server at an http or https address, with the secrets
// from the environment; see [FromEnv]. A user and password in the address take precedence.
func NewClient(address string) (*Client, error) {
	c, err := newClient(address)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	return c, nil
}

func newClient(address string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil { // the error's text has the address, which may contain a password
		return nil, errors.New("the address of the tracking server is not a URL: write it as http://host:5000")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s: not the address of a tracking server: it begins with http:// or https:// (start one with mlflow server)", u.Redacted())
	}
	c := &Client{
		Token:    os.Getenv("MLFLOW_TRACKING_TOKEN"),
		Username: os.Getenv("MLFLOW_TRACKING_USERNAME"),
		Password: os.Getenv("MLFLOW_TRACKING_PASSWORD"),
	}
	if u.User != nil {
		c.Token, c.Username = "", u.User.Username()
		c.Password, _ = u.User.Password()
		u.User = nil
	}
	u.RawQuery, u.Fragment = "", ""
	c.URL = strings.TrimRight(u.String(), "/")
	return c, nil
}

var plain = &http.Client{Timeout: 30 * time.Second}

// api is the path of the endpoints.
const api = "/api/2.0/mlflow/"

// call sends in, as JSON, to an endpoint and decodes the response into out, which may be nil.
func (c *Client) call(ctx context.Context, endpoint string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, api+endpoint, bytes.NewReader(body), out)
}

// get decodes the response of an endpoint to the values of a query.
func (c *Client) get(ctx context.Context, endpoint string, query url.Values, out any) error {
	return c.do(ctx, http.MethodGet, api+endpoint+"?"+query.Encode(), nil, out)
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "attune")
	if _, ok := body.(*bytes.Reader); ok {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case c.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.Token)
	case c.Username != "":
		req.SetBasicAuth(c.Username, c.Password)
	}
	doer := c.HTTP
	if doer == nil {
		doer = plain
	}
	answer, err := doer.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok { // drop the address, which contains the query
			err = e.Err
		}
		return fmt.Errorf("%s: %w", c.URL, err)
	}
	defer answer.Body.Close()
	const most = 64 << 20
	text, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return fmt.Errorf("%s: %w", c.URL, err)
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %w", c.URL, refusal(answer.StatusCode, text))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s: not the answer of a tracking server: %w", c.URL, err)
	}
	return nil
}

// refusal returns the error for a response with a failure status. Proxies send HTML.
func refusal(status int, text []byte) *Error {
	e := &Error{Status: status}
	var answer struct {
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(text, &answer) == nil {
		e.Code, e.Message = answer.Code, answer.Message
	} else if s := string(text); !strings.Contains(s, "<") {
		e.Message = s
	}
	switch {
	case e.Message != "":
	case status == http.StatusUnauthorized:
		e.Message = "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
	case status == http.StatusNotFound:
		e.Message = "there is no tracking server at this address"
	}
	return e
}

// refused reports whether the server understood a request and will refuse it again, so that
// repeating it is useless.
func refused(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status/100 == 4 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout
}

// is reports whether the server refused with the given MLflow error code.
func is(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}
