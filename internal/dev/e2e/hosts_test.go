//go:build linux

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/remote"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// hostEnv makes the test binary a program on a host of [TestHosts]: a server of the file, or a worker that takes its
// orders from standard input.
const hostEnv = "ATTUNE_E2E_HOST"

const hostsGrace = 500 * time.Millisecond

// host runs on a host: "server FILE" or "worker URL".
func host(ctx context.Context, role, arg string) error {
	if role == "server" {
		h := remote.NewHandler(sqlite.File(arg))
		defer h.Close()
		return http.ListenAndServe(":8080", h)
	}
	st, err := study.Open(ctx, remote.Server(arg), "net", study.Config{Sampler: random.Sampler{}, Grace: hostsGrace})
	if err != nil {
		return err
	}
	defer st.Close()
	x := space.Float("x", 0, 1)
	var t *study.Trial
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch lines.Text() {
		case "ask":
			if t, err = st.Ask(ctx); err != nil {
				return err
			}
			fmt.Println(t.Number(), x.Suggest(t))
		case "report": // which also writes what was suggested
			fmt.Println(t.Report(ctx, 0, 1))
		case "reap":
			dead, err := st.Reap(ctx)
			fmt.Println(len(dead), err)
		case "tell":
			err := st.Tell(ctx, t, []float64{1}, nil)
			fmt.Println(errors.Is(err, trial.ErrFinished), err)
		case "states":
			h, err := st.Snapshot(ctx)
			if err != nil {
				return err
			}
			var states []string
			for _, r := range h.Records() {
				states = append(states, r.State.String())
			}
			fmt.Println(strings.Join(states, " "))
		}
	}
	return nil
}

// A process runs on a host.
type process struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

// on starts this program on a host.
func on(t *testing.T, host, role, arg string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("ip", "netns", "exec", host, self)
	cmd.Env = append(os.Environ(), hostEnv+"="+role+" "+arg)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		assert.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
	})
	return &process{t, in, bufio.NewScanner(out)}
}

func (p *process) send(line string) {
	p.t.Helper()
	_, err := io.WriteString(p.in, line+"\n")
	require.NoError(p.t, err)
}

func (p *process) answer() string {
	p.t.Helper()
	require.True(p.t, p.out.Scan(), "the process has ended")
	return p.out.Text()
}

func (p *process) call(line string) string {
	p.t.Helper()
	p.send(line)
	return p.answer()
}

// The network cuts off a worker on another host for longer than its lease: packets get lost, and no connection is
// refused. The worker is then taken for dead, and another host runs its trial again. When the first worker is back, its
// outcome is refused.
func TestHosts(t *testing.T) {
	ip := func(args ...string) error {
		out, err := exec.Command("ip", args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	name := func(host string) string { return fmt.Sprintf("attune-%d-%s", os.Getpid(), host) }
	server, hosts := name("server"), []string{name("a"), name("b")}
	for _, host := range append(hosts, server) {
		if err := ip("netns", "add", host); err != nil {
			t.Skipf("network namespaces take root and iproute2: %v", err)
		}
		t.Cleanup(func() { assert.NoError(t, ip("netns", "del", host)) })
	}
	for i, host := range hosts {
		there, here := fmt.Sprintf("host%d", i), "eth0"
		if err := ip("link", "add", there, "netns", server, "type", "veth", "peer", "name", here, "netns", host); err != nil {
			t.Skipf("the kernel has no virtual networks: %v", err)
		}
		for _, args := range []string{
			fmt.Sprintf("-n %s addr add 10.0.%d.1/24 dev %s", server, i, there), fmt.Sprintf("-n %s link set %s up", server, there),
			fmt.Sprintf("-n %s addr add 10.0.%d.2/24 dev %s", host, i, here), fmt.Sprintf("-n %s link set %s up", host, here),
		} {
			require.NoError(t, ip(strings.Fields(args)...))
		}
	}
	on(t, server, "server", filepath.Join(t.TempDir(), "a.db"))
	require.Eventually(t, func() bool {
		return exec.Command("ip", "netns", "exec", hosts[0], "bash", "-c", "exec 3<>/dev/tcp/10.0.0.1/8080").Run() == nil
	}, time.Minute, 20*time.Millisecond)
	cut, other := on(t, hosts[0], "worker", "http://10.0.0.1:8080"), on(t, hosts[1], "worker", "http://10.0.1.1:8080")

	drawn := cut.call("ask")
	require.True(t, strings.HasPrefix(drawn, "0 "), drawn)
	require.Equal(t, "<nil>", cut.call("report"))
	require.Equal(t, "0 <nil>", other.call("reap"), "the worker lives")
	require.NoError(t, ip("-n", server, "link", "set", "host0", "down"))
	cut.send("tell")
	require.Eventually(t, func() bool { return other.call("reap") == "1 <nil>" }, time.Minute, hostsGrace/5)
	assert.Equal(t, "1"+drawn[1:], other.call("ask"), "the trial is run again")
	assert.Equal(t, "false <nil>", other.call("tell"))

	require.NoError(t, ip("-n", server, "link", "set", "host0", "up"))
	late := cut.answer()
	assert.True(t, strings.HasPrefix(late, "true "), late)
	assert.Contains(t, late, "trial 0: ")
	cut.call("ask")
	assert.Equal(t, "false <nil>", cut.call("tell"), "it works on")
	assert.Equal(t, "failed complete complete", cut.call("states"))
}
