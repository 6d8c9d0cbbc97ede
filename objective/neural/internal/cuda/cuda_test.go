package cuda

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/neural/internal/devicetest"
)

// open returns a device on the emulator or on a GPU.
func open(t testing.TB) *Device {
	t.Helper()
	d, err := Open(0, 0)
	require.NoError(t, err)
	t.Cleanup(d.Free)
	return d
}

// opens returns the reason why there is no GPU, or nil if there is one.
func opens() error {
	d, err := Open(0, 0)
	if err == nil {
		d.Free()
	}
	return err
}

func TestConformance(t *testing.T) {
	t.Run("emulated", func(t *testing.T) {
		e := devicetest.Emulate(t)
		devicetest.Run(t, open(t))
		e.Reverse(1)
		t.Run("reverse", func(t *testing.T) { devicetest.Run(t, open(t)) })
	})
	t.Run("GPU", func(t *testing.T) {
		devicetest.NeedGPU(t, opens())
		devicetest.Run(t, open(t))
	})
}

// The PTX file belongs to the source.
func TestCompiled(t *testing.T) {
	source, err := os.ReadFile("kernels.cu")
	if err != nil {
		t.Skip(err)
	}
	sum := sha256.Sum256(source)
	assert.Contains(t, ptx, hex.EncodeToString(sum[:]), "kernels.cu has changed: run compile.py")
	for _, name := range kernelNames {
		assert.Contains(t, ptx, ".entry "+name+"(")
	}
	assert.Equal(t, int(kernels), strings.Count(ptx, ".entry "))
}
