package kube

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/client-go/rest"
)

// DaemonSet is how far a DaemonSet is.
type DaemonSet struct {
	// Desired, Updated and Ready are numbers of pods.
	Desired, Updated, Ready int
	// Observed says that the numbers are of its current template.
	Observed bool
}

// Complete reports whether all pods are ready.
func (d DaemonSet) Complete() bool {
	return d.Observed && d.Updated == d.Desired && d.Ready == d.Desired
}

// ReadDaemonSet asks the API for a DaemonSet. It reads a few fields of the JSON: the types of apps/v1 would add a megabyte.
func ReadDaemonSet(ctx context.Context, api *rest.Config, namespace, name string) (DaemonSet, error) {
	client, err := newClient(api)
	if err != nil {
		return DaemonSet{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	result := client.Get().AbsPath("/apis/apps/v1/namespaces", namespace, "daemonsets", name).
		SetHeader("Accept", "application/json").Do(ctx)
	if err := result.Error(); err != nil { // that of Raw does not say what the API says
		return DaemonSet{}, fmt.Errorf("DaemonSet %s/%s: the Kubernetes API does not tell about it: %w", namespace, name, err)
	}
	text, err := result.Raw()
	if err != nil {
		return DaemonSet{}, err
	}
	var got struct {
		Metadata struct {
			Generation int64 `json:"generation"`
		} `json:"metadata"`
		Status struct {
			ObservedGeneration     int64 `json:"observedGeneration"`
			DesiredNumberScheduled int   `json:"desiredNumberScheduled"`
			UpdatedNumberScheduled int   `json:"updatedNumberScheduled"`
			NumberReady            int   `json:"numberReady"`
		} `json:"status"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		return DaemonSet{}, fmt.Errorf("DaemonSet %s/%s: %w", namespace, name, err)
	}
	return DaemonSet{
		Desired: got.Status.DesiredNumberScheduled, Updated: got.Status.UpdatedNumberScheduled, Ready: got.Status.NumberReady,
		Observed: got.Status.ObservedGeneration >= got.Metadata.Generation,
	}, nil
}
