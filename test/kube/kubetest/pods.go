//go:build linux

package kubetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"
)

// Namespace is that of all pods of AddPods.
const Namespace = "default"

// batch is how many pods one transaction of etcd gets: it takes 1.5 MB.
const batch = 50

type object = map[string]any

// AddNode makes a node with an InternalIP and the network of its pods, and the service account of pods, which no controller makes here.
func (s *APIServer) AddNode(ctx context.Context, name, address, podCIDR string) error {
	node := object{"metadata": object{"name": name}, "spec": object{"podCIDR": podCIDR, "podCIDRs": []string{podCIDR}}}
	url := "https://" + s.Address + "/api/v1/nodes"
	if err := s.do(ctx, http.MethodPost, url, node); err != nil {
		return err
	}
	account := object{"metadata": object{"name": "default"}}
	if err := s.do(ctx, http.MethodPost, "https://"+s.Address+"/api/v1/namespaces/"+Namespace+"/serviceaccounts", account); err != nil {
		return err
	}
	status := object{"status": object{"addresses": []any{object{"type": "InternalIP", "address": address}}}}
	return s.do(ctx, http.MethodPatch, url+"/"+name+"/status", status)
}

// AddPods makes the running pods first to last-1 of a node, each with the annotations. It writes them to etcd: 10,000 by the API take
// minutes. Pod i has the address PodAddress(i).
func (s *APIServer) AddPods(ctx context.Context, node string, first, last int, annotations map[string]string) error {
	for ; first < last; first += batch {
		var puts []any
		for i := first; i < min(first+batch, last); i++ {
			name := fmt.Sprintf("web-%05d", i)
			text, err := json.Marshal(podOf(node, name, i, annotations))
			if err != nil {
				return err
			}
			key := "/registry/pods/" + Namespace + "/" + name
			puts = append(puts, object{"requestPut": object{"key": encode([]byte(key)), "value": encode(text)}})
		}
		if err := s.do(ctx, http.MethodPost, s.etcd+"/v3/kv/txn", object{"success": puts}); err != nil {
			return err
		}
	}
	return nil
}

// PodAddress is the address of pod i of AddPods, in 10.244.0.0/16.
func PodAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 244, byte(1 + i/250), byte(2 + i%250)})
}

func encode(text []byte) string { return base64.StdEncoding.EncodeToString(text) }

// do sends JSON, with the administrator's token to the API server. A status of 400 or more is an error.
func (s *APIServer) do(ctx context.Context, method, url string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	if r.URL.Scheme == "https" { // etcd has no users
		r.Header.Set("Authorization", "Bearer "+s.Token)
	}
	response, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %s: %.300s", method, url, response.Status, answer)
	}
	return err
}

// podOf is a pod of about 8 kB, as a Deployment's pods are with their managedFields.
func podOf(node, name string, i int, annotations map[string]string) object {
	now := time.Now().UTC().Format(time.RFC3339)
	address := PodAddress(i).String()
	var env, conditions []any
	for n := range 20 {
		env = append(env, object{"name": fmt.Sprintf("SETTING_%02d", n), "value": fmt.Sprintf("http://service-%02d.default.svc:8080/of/%s", n, name)})
	}
	for _, kind := range []string{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"} {
		conditions = append(conditions, object{"type": kind, "status": "True", "lastProbeTime": nil, "lastTransitionTime": now})
	}
	probe := object{"httpGet": object{"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3, "successThreshold": 1}
	return object{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": object{
			"name": name, "namespace": Namespace, "uid": fmt.Sprintf("00000000-0000-4000-8000-%012d", i), "creationTimestamp": now,
			"labels":      object{"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": name, "pod-template-hash": "5d4f8c7b9"},
			"annotations": annotations, "generateName": "web-",
			"ownerReferences": []any{object{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f8c7b9", "uid": "00000000-0000-4000-9000-000000000000", "controller": true, "blockOwnerDeletion": true}},
			"managedFields":   []any{managed("kube-controller-manager", "", now), managed("kubelet", "status", now)},
		},
		"spec": object{
			"nodeName": node, "serviceAccountName": "default", "serviceAccount": "default", "restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
			"schedulerName": "default-scheduler", "securityContext": object{}, "terminationGracePeriodSeconds": 30, "enableServiceLinks": true,
			"containers": []any{object{
				"name": "main", "image": "registry.example.com/web/main:1.2.3", "imagePullPolicy": "IfNotPresent", "env": env,
				"ports": []any{object{"containerPort": 8080, "protocol": "TCP"}}, "resources": object{"requests": object{"cpu": "100m", "memory": "128Mi"}},
				"livenessProbe": probe, "readinessProbe": probe, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
				"volumeMounts": []any{object{"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}},
			}},
			"volumes": []any{object{"name": "kube-api-access", "projected": object{"defaultMode": 420, "sources": []any{
				object{"serviceAccountToken": object{"expirationSeconds": 3607, "path": "token"}},
			}}}},
		},
		"status": object{
			"phase": "Running", "podIP": address, "podIPs": []any{object{"ip": address}}, "hostIP": "172.30.0.1", "startTime": now,
			"qosClass": "Burstable", "conditions": conditions,
			"containerStatuses": []any{object{
				"name": "main", "ready": true, "started": true, "restartCount": 0, "image": "registry.example.com/web/main:1.2.3",
				"imageID":     "registry.example.com/web/main@sha256:" + fmt.Sprintf("%064d", i),
				"containerID": "containerd://" + fmt.Sprintf("%064d", i), "state": object{"running": object{"startedAt": now}}, "lastState": object{},
			}},
		},
	}
}

// managed is what the API server notes about the fields that a client has set.
func managed(by, subresource, now string) object {
	fields := object{}
	for n := range 20 {
		fields[fmt.Sprintf(`k:{"name":"SETTING_%02d"}`, n)] = object{".": object{}, "f:name": object{}, "f:value": object{}}
	}
	return object{
		"manager": by, "operation": "Update", "subresource": subresource, "apiVersion": "v1", "time": now, "fieldsType": "FieldsV1",
		"fieldsV1": object{"f:metadata": object{"f:labels": object{".": object{}}}, "f:spec": object{"f:containers": object{`k:{"name":"main"}`: object{"f:env": fields}}}},
	}
}
