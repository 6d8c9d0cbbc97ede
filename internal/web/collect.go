package web

import "github.com/prometheus/client_golang/prometheus"

// A Sample is the value of a metric.
type Sample struct {
	Name, Help string
	Counter    bool // it only grows; otherwise it is a gauge
	Labels     []Label
	Value      float64
}

// A Label tells samples of one metric apart.
type Label struct{ Name, Value string }

// Collect adds metrics: samples returns their values whenever they are asked for. It must be safe for
// concurrent use, and return samples of one name with the same labels.
func (o *Observer) Collect(samples func() []Sample) { o.registry.MustRegister(collector(samples)) }

// A collector is a function as a [prometheus.Collector]. It describes no metrics ahead, since their labels are
// not known then.
type collector func() []Sample

func (collector) Describe(chan<- *prometheus.Desc) {}

func (c collector) Collect(to chan<- prometheus.Metric) {
	for _, s := range c() {
		var names, values []string
		for _, l := range s.Labels {
			names, values = append(names, l.Name), append(values, l.Value)
		}
		kind := prometheus.GaugeValue
		if s.Counter {
			kind = prometheus.CounterValue
		}
		to <- prometheus.MustNewConstMetric(prometheus.NewDesc(s.Name, s.Help, names, nil), kind, s.Value, values...)
	}
}
