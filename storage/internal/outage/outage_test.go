package outage_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/storage/internal/outage"
)

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		var told []error
		w := outage.Watch{Away: func(err error) { told = append(told, err) }}
		w.Answered()
		w.Failed(refused)
		time.Sleep(outage.Slack - 1)
		w.Failed(refused)
		w.Answered()
		time.Sleep(outage.Slack)
		w.Failed(refused)
		assert.Empty(t, told, "it was never away for long")

		time.Sleep(outage.Slack)
		w.Failed(refused)
		w.Failed(refused)
		assert.Equal(t, []error{refused}, told)
		w.Answered()
		w.Answered()
		assert.Equal(t, []error{refused, nil}, told)
	})
	var silent outage.Watch
	silent.Failed(errors.New("refused"))
	silent.Answered()
}
