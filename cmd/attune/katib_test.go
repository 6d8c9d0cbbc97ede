package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Katib's probes ask for the health of the service by name.
func TestKatib(t *testing.T) {
	t.Parallel()
	cmd := program(t, t.TempDir(), "katib", "--listen", "127.0.0.1:0")
	_, _, address := listening(t, cmd, "attune: answering Katib on ")
	healthy(t, address, "manager.v1beta1.Suggestion")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait())
}
