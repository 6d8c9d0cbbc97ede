package device_test

import (
	"testing"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
	"github.com/attune-hpo/attune/objective/neural/internal/devicetest"
)

func TestConformance(t *testing.T) { devicetest.Run(t, &device.CPU{}) }
