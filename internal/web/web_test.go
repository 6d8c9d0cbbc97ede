package web_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/web"
)

// running returns the URL of a server that runs until the test ends.
func running(t *testing.T, c web.Config) string {
	t.Helper()
	c.Addr = "127.0.0.1:0"
	s, err := web.Listen(c)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-ended)
	})
	return s.URL()
}

func get(t *testing.T, url string, change func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })

func TestGuard(t *testing.T) {
	open := running(t, web.Config{Handler: hello, Hosts: []string{"tuning.example"}})
	closed := running(t, web.Config{Handler: hello, Token: "secret"})
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for _, c := range []struct {
		name   string
		url    string
		change func(*http.Request)
		code   int
	}{
		{"plain", open, nil, 200},
		{"localhost", open, host("localhost:9"), 200},
		{"an address of version 6", open, host("[::1]:9"), 200},
		{"a name of its own", open, host("Tuning.example"), 200},
		{"another site's name", open, host("evil.example"), 421},
		{"no token", closed, nil, 401},
		{"a wrong token", closed, func(r *http.Request) { r.Header.Set("Authorization", "Bearer secrets") }, 401},
		{"an empty token", closed, func(r *http.Request) { r.SetBasicAuth("", "") }, 401},
		{"a bearer", closed, func(r *http.Request) { r.Header.Set("Authorization", "Bearer secret") }, 200},
		{"a password", closed, func(r *http.Request) { r.SetBasicAuth("anyone", "secret") }, 200},
		{"a token, and another site's name", closed, func(r *http.Request) { r.SetBasicAuth("", "secret"); r.Host = "evil.example" }, 421},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, body := get(t, c.url, c.change)
			assert.Equal(t, c.code, code)
			assert.Equal(t, c.code == 200, body == "hello")
		})
	}
}

// A second token only reads, and a path for health checks takes none.
func TestReadToken(t *testing.T) {
	url := running(t, web.Config{Handler: hello, Token: "secret", ReadToken: "look", Health: "/healthz",
		Refuse: func(w http.ResponseWriter, text string, code int) { http.Error(w, "refused: "+text, code) }})
	for _, c := range []struct {
		name, method, path, token string
		code                      int
	}{
		{"reading with the token that reads", "GET", "a", "look", 200},
		{"its head", "HEAD", "a", "look", 200},
		{"writing with the token that reads", "POST", "a", "look", 403},
		{"writing with the other", "POST", "a", "secret", 200},
		{"no token", "GET", "a", "", 401},
		{"writing without a token", "POST", "a", "", 401},
		{"health", "GET", "healthz", "", 200},
		{"below health", "GET", "healthz/a", "", 401},
		{"writing health", "POST", "healthz", "", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, body := get(t, url+c.path, func(r *http.Request) {
				r.Method = c.method
				if c.token != "" {
					r.Header.Set("Authorization", "Bearer "+c.token)
				}
			})
			assert.Equal(t, c.code, code)
			assert.Equal(t, c.code != 200, strings.HasPrefix(body, "refused: "))
		})
	}
	code, _ := get(t, url+"healthz", func(r *http.Request) { r.Host = "a.pod.example" })
	assert.Equal(t, 200, code, "whatever the host")
}

// A body that is too large is refused before the rest of it arrives.
func TestLargeBody(t *testing.T) {
	url := running(t, web.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})})
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, 413, resp.StatusCode)
}

func TestListen(t *testing.T) {
	for addr, want := range map[string]error{"8080": web.ErrAddr, "": web.ErrAddr, ":0": web.ErrToken, "0.0.0.0:0": web.ErrToken, "10.1.2.3:0": web.ErrToken} {
		_, err := web.Listen(web.Config{Addr: addr, Handler: hello})
		require.ErrorIs(t, err, want, addr)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, err = web.Listen(web.Config{Addr: taken.Addr().String(), Handler: hello})
	var op *net.OpError
	require.ErrorAs(t, err, &op)
}

// A stream ends with the server, and a request that does not heed its context is cut off.
func TestEnd(t *testing.T) {
	began := make(chan string, 2)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- r.URL.Path
		http.NewResponseController(w).Flush()
		if r.URL.Path == "/stream" {
			<-r.Context().Done()
			io.WriteString(w, "bye")
			return
		}
		<-t.Context().Done() // long after
	})
	s, err := web.Listen(web.Config{Addr: "127.0.0.1:0", Handler: h, Grace: 50 * time.Millisecond})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	bodies := make(chan string, 2)
	for _, path := range []string{"stream", "deaf"} {
		go func() {
			resp, err := http.Get(s.URL() + path)
			if err != nil {
				bodies <- err.Error()
				return
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			bodies <- path + string(body)
		}()
	}
	<-began
	<-began
	stop()
	require.NoError(t, <-ended)
	both := <-bodies + " " + <-bodies
	assert.True(t, strings.Contains(both, "streambye") && strings.Contains(both, "deaf"), both)
	_, err = net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/"))
	require.Error(t, err)
}
