// Package kubernetes tests the manifests in examples/kubernetes. It is a module of its own, so that
// nobody else downloads Kubernetes' types.
package kubernetes

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// documents returns the manifests of a file by their kind, decoded strictly.
func documents(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "kubernetes", file))
	require.NoError(t, err)
	all := map[string]any{}
	for _, doc := range bytes.Split(text, []byte("\n---\n")) {
		var head struct{ APIVersion, Kind string }
		require.NoError(t, yaml.Unmarshal(doc, &head))
		dst, ok := map[string]any{
			"v1 Secret": new(corev1.Secret), "v1 Service": new(corev1.Service), "v1 ConfigMap": new(corev1.ConfigMap),
			"apps/v1 Deployment": new(appsv1.Deployment), "batch/v1 Job": new(batchv1.Job),
		}[head.APIVersion+" "+head.Kind]
		require.True(t, ok, "%s %s", head.APIVersion, head.Kind)
		require.NoError(t, yaml.UnmarshalStrict(doc, dst), "%s", head.Kind)
		all[head.Kind] = dst
	}
	return all
}

// keysOf returns the keys of secrets that a container's environment is taken from.
func keysOf(c corev1.Container) (keys []string) {
	for _, e := range c.Env {
		if e.ValueFrom != nil {
			keys = append(keys, e.ValueFrom.SecretKeyRef.Key)
		}
	}
	return keys
}

func TestServe(t *testing.T) {
	all := documents(t, "serve.yaml")
	require.Len(t, all, 3)
	deployment, service, secret := all["Deployment"].(*appsv1.Deployment), all["Service"].(*corev1.Service), all["Secret"].(*corev1.Secret)
	pod := deployment.Spec.Template
	assert.Equal(t, pod.Labels, service.Spec.Selector)
	assert.Equal(t, pod.Labels, deployment.Spec.Selector.MatchLabels)
	require.Len(t, pod.Spec.Containers, 1)
	c := pod.Spec.Containers[0]
	for _, key := range keysOf(c) {
		assert.Contains(t, secret.StringData, key)
	}
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		require.NotNil(t, probe)
		assert.Equal(t, "/healthz", probe.HTTPGet.Path)
		assert.Equal(t, c.Ports[0].Name, probe.HTTPGet.Port.String())
	}
	assert.Equal(t, c.Ports[0].Name, service.Spec.Ports[0].TargetPort.String())
	assert.True(t, *c.SecurityContext.RunAsNonRoot)
}

func TestWorkers(t *testing.T) {
	all := documents(t, "workers.yaml")
	require.Len(t, all, 2)
	job, config := all["Job"].(*batchv1.Job), all["ConfigMap"].(*corev1.ConfigMap)
	assert.Equal(t, *job.Spec.Completions, *job.Spec.Parallelism)
	pod := job.Spec.Template.Spec
	assert.Equal(t, corev1.RestartPolicyNever, pod.RestartPolicy)
	require.Len(t, pod.Volumes, 1)
	assert.Equal(t, config.Name, pod.Volumes[0].ConfigMap.Name)
	mount := pod.Containers[0].VolumeMounts[0]
	assert.Equal(t, pod.Volumes[0].Name, mount.Name)
	assert.Contains(t, pod.Containers[0].Command, mount.MountPath+"/space.yaml")
	assert.Contains(t, config.Data, "space.yaml")
}
