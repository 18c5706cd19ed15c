package ec2

import (
	"encoding/json"
	"fmt"

	"github.com/skylift/skylift/internal/store"
)

// The steps from what releases wrote that knew one VPC, the default one. They name members by themselves, so
// that they stay as they are when the records change.

// vpcAttributes gives a VPC the attributes that it had without saying so.
func vpcAttributes(key string, old []byte) (store.Next, error) {
	return reworked(key, old, func(m map[string]any) { m["DNSSupport"], m["DNSHostnames"] = true, true })
}

// subnetAttributes gives a subnet the attributes that it had without saying so.
func subnetAttributes(key string, old []byte) (store.Next, error) {
	return reworked(key, old, func(m map[string]any) { m["MapPublicIP"] = true })
}

// routesOf makes a main table with its one way out a table with routes and associations.
func routesOf(key string, old []byte) (store.Next, error) {
	return reworked(key, old, func(m map[string]any) {
		m["Routes"] = []map[string]any{{"Destination": "0.0.0.0/0", "Target": m["Gateway"], "Origin": "CreateRoute"}}
		m["Associations"] = []map[string]any{{"ID": m["AssociationID"], "Main": true}}
		delete(m, "Gateway")
		delete(m, "AssociationID")
	})
}

func reworked(key string, old []byte, change func(map[string]any)) (store.Next, error) {
	var m map[string]any
	if err := json.Unmarshal(old, &m); err != nil {
		return store.Next{}, fmt.Errorf("read %s: %w", key, err)
	}
	change(m)
	b, err := json.Marshal(m)
	return store.Next{Record: b}, err
}
