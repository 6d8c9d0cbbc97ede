// Package browser drives a headless Chromium, for tests of pages. It speaks the Chrome
// DevTools Protocol over a pair of pipes, so it needs neither a port nor a library.
package browser

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// ErrNone reports a machine without Chromium.
var ErrNone = errors.New("there is no Chromium: apt-get install chromium")

// Path returns the path of the browser, or [ErrNone].
func Path() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNone
}

// A Browser is a running Chromium. The caller must close it.
type Browser struct {
	cmd     *exec.Cmd
	profile string
	out     *os.File

	mu      sync.Mutex // guards what follows
	next    int
	waiting map[int]chan answer
	pages   map[string]*Page // by session
	ended   error
}

type answer struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

type message struct {
	answer
	ID        int
	Method    string
	SessionID string
	Params    json.RawMessage
}

// Start starts a browser. It ends when ctx is done, at the latest.
func Start(ctx context.Context) (*Browser, error) {
	path, err := Path()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		return nil, err
	}
	in, out, err := os.Pipe() // what the browser reads
	if err != nil {
		return nil, err
	}
	from, to, err := os.Pipe() // what it writes
	if err != nil {
		return nil, err
	}
	b := &Browser{profile: profile, out: out, waiting: map[int]chan answer{}, pages: map[string]*Page{}}
	b.cmd = exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--hide-scrollbars", "--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	b.cmd.ExtraFiles = []*os.File{in, to} // 3 and 4
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	in.Close()
	to.Close()
	go b.listen(from)
	return b, nil
}

// Close ends the browser.
func (b *Browser) Close() error {
	b.out.Close()
	b.cmd.Process.Kill()
	b.cmd.Wait() // it was killed
	return os.RemoveAll(b.profile)
}

func (b *Browser) listen(from *os.File) {
	defer from.Close()
	r := bufio.NewReader(from)
	var err error
	for {
		var text []byte
		if text, err = r.ReadBytes(0); err != nil {
			break
		}
		var m message
		if err = json.Unmarshal(text[:len(text)-1], &m); err != nil {
			break
		}
		b.mu.Lock()
		if m.Method == "" {
			b.waiting[m.ID] <- m.answer
			delete(b.waiting, m.ID)
		} else if p := b.pages[m.SessionID]; p != nil {
			p.happened(m.Method, m.Params)
		}
		b.mu.Unlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = fmt.Errorf("the browser ended: %w", err)
	for _, c := range b.waiting {
		close(c)
	}
}

// call calls a method of the protocol.
func (b *Browser) call(ctx context.Context, session, method string, params any, result any) error {
	b.mu.Lock()
	if b.ended != nil {
		defer b.mu.Unlock()
		return b.ended
	}
	b.next++
	id, c := b.next, make(chan answer, 1)
	b.waiting[id] = c
	text, err := json.Marshal(struct {
		ID        int    `json:"id"`
		Method    string `json:"method"`
		SessionID string `json:"sessionId,omitempty"`
		Params    any    `json:"params,omitempty"`
	}{id, method, session, params})
	b.mu.Unlock()
	if err == nil {
		_, err = b.out.Write(append(text, 0))
	}
	if err != nil {
		return err
	}
	select {
	case a, ok := <-c:
		switch {
		case !ok:
			return b.ended
		case a.Error != nil:
			return fmt.Errorf("%s: %s", method, a.Error.Message)
		case result != nil:
			return json.Unmarshal(a.Result, result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

// A Page is a tab.
type Page struct {
	browser *Browser
	session string

	mu       sync.Mutex // guards what follows
	console  []string
	received int64
}

type object = map[string]any

// Page opens an empty tab of a width and a height in pixels.
func (b *Browser) Page(ctx context.Context, width, height int, dark bool) (*Page, error) {
	var target struct{ TargetID string }
	if err := b.call(ctx, "", "Target.createTarget", object{"url": "about:blank"}, &target); err != nil {
		return nil, err
	}
	var attached struct{ SessionID string }
	if err := b.call(ctx, "", "Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &attached); err != nil {
		return nil, err
	}
	p := &Page{browser: b, session: attached.SessionID}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	for _, c := range []struct {
		method string
		params object
	}{
		{"Page.enable", nil}, {"Runtime.enable", nil}, {"Log.enable", nil}, {"Network.enable", nil},
		{"Emulation.setDeviceMetricsOverride", object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}},
		{"Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": scheme}}}},
	} {
		if err := p.call(ctx, c.method, c.params, nil); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Page) call(ctx context.Context, method string, params any, result any) error {
	return p.browser.call(ctx, p.session, method, params, result)
}

func (p *Page) happened(method string, params json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch method {
	case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded":
		p.console = append(p.console, string(params))
	case "Network.dataReceived":
		var d struct{ EncodedDataLength int64 }
		if json.Unmarshal(params, &d) == nil {
			p.received += d.EncodedDataLength
		}
	case "Network.responseReceived":
		var d struct {
			Response struct{ EncodedDataLength int64 }
		}
		if json.Unmarshal(params, &d) == nil {
			p.received += d.Response.EncodedDataLength
		}
	}
}

// Console returns what the pages of the tab have written to the console, exceptions and
// what a policy forbade included.
func (p *Page) Console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.console
}

// Forget empties what Console returns.
func (p *Page) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.console = nil
}

// Received returns the number of bytes that the tab has received, headers included, as
// they came over the wire.
func (p *Page) Received() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.received
}

// Open goes to an address. It does not wait until the page is all there.
func (p *Page) Open(ctx context.Context, address string) error {
	var to struct{ ErrorText string }
	if err := p.call(ctx, "Page.navigate", object{"url": address}, &to); err != nil {
		return err
	}
	if to.ErrorText != "" {
		return fmt.Errorf("open %s: %s", address, to.ErrorText)
	}
	return nil
}

// Run runs JavaScript in the page, waits for a promise, and stores what comes of it in
// result, unless that is nil.
func (p *Page) Run(ctx context.Context, script string, result any) error {
	var out struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	err := p.call(ctx, "Runtime.evaluate", object{"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &out)
	switch {
	case err != nil:
		return err
	case out.ExceptionDetails != nil:
		return fmt.Errorf("%.200s: %s %s", script, out.ExceptionDetails.Text, out.ExceptionDetails.Exception.Description)
	case result == nil || out.Result.Value == nil:
		return nil
	}
	return json.Unmarshal(out.Result.Value, result)
}

// Wait waits until a JavaScript expression is true. While the page changes, the expression may
// fail.
func (p *Page) Wait(ctx context.Context, expression string) error {
	var last error
	for {
		var yes bool
		err := p.Run(ctx, "!!("+expression+")", &yes)
		if err == nil && yes {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", expression, errors.Join(ctx.Err(), last))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Press presses keys one after another, each by its name, as Tab or a, and with Shift if its
// name begins with "Shift+".
func (p *Page) Press(ctx context.Context, keys ...string) error {
	codes := map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
	for _, key := range keys {
		shift := 0
		if name, with := strings.CutPrefix(key, "Shift+"); with {
			key, shift = name, 8
		}
		down := object{"type": "keyDown", "key": key, "modifiers": shift, "windowsVirtualKeyCode": codes[key]}
		switch {
		case key == "Enter":
			down["text"] = "\r"
		case len(key) == 1:
			down["text"] = key
		}
		if err := p.call(ctx, "Input.dispatchKeyEvent", down, nil); err != nil {
			return err
		}
		if err := p.call(ctx, "Input.dispatchKeyEvent", object{"type": "keyUp", "key": key, "modifiers": shift, "windowsVirtualKeyCode": codes[key]}, nil); err != nil {
			return err
		}
	}
	return nil
}

// Type types a text where the focus is.
func (p *Page) Type(ctx context.Context, text string) error {
	return p.call(ctx, "Input.insertText", object{"text": text}, nil)
}

// Drag presses the mouse at one place of the window, moves it to another, and lets go.
func (p *Page) Drag(ctx context.Context, x0, y0, x1, y1 float64) error {
	for _, e := range []object{
		{"type": "mouseMoved", "x": x0, "y": y0},
		{"type": "mousePressed", "x": x0, "y": y0, "button": "left", "clickCount": 1},
		{"type": "mouseMoved", "x": (x0 + x1) / 2, "y": (y0 + y1) / 2, "button": "left", "buttons": 1},
		{"type": "mouseMoved", "x": x1, "y": y1, "button": "left", "buttons": 1},
		{"type": "mouseReleased", "x": x1, "y": y1, "button": "left", "clickCount": 1},
	} {
		if err := p.call(ctx, "Input.dispatchMouseEvent", e, nil); err != nil {
			return err
		}
	}
	return nil
}

// Move moves the mouse to a place of the window.
func (p *Page) Move(ctx context.Context, x, y float64) error {
	return p.call(ctx, "Input.dispatchMouseEvent", object{"type": "mouseMoved", "x": x, "y": y}, nil)
}

// Screenshot returns the page as PNG: the window or, if whole, all of the page.
func (p *Page) Screenshot(ctx context.Context, whole bool) ([]byte, error) {
	var shot struct{ Data string }
	if err := p.call(ctx, "Page.captureScreenshot", object{"format": "png", "captureBeyondViewport": whole}, &shot); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(shot.Data)
}
