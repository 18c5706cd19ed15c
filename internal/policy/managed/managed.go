// Package managed has AWS's managed policies, as AWS publishes them.
//
// They are those that people who run containers attach.
package managed

import (
	"bytes"
	"compress/gzip"
	_ "embed" // the policies
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

//go:generate go run ./generate -repo ../../..

//go:embed managed.json.gz
var packed []byte

// Policy is a managed policy of AWS.
type Policy struct {
	ARN      string    // arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy
	Name     string    // AmazonECSTaskExecutionRolePolicy
	Path     string    // /service-role/
	ID       string    // ANPA…, made from the ARN
	Version  string    // the default version, v3
	Created  time.Time // the policy
	Updated  time.Time // that version
	Document string    // JSON
}

// All returns the policies in the order of their names. Callers don't change them.
func All() []Policy { return unpack() }

var unpack = sync.OnceValue(func() []Policy {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(fmt.Sprintf("unpack the managed policies: %v", err)) // it is part of the program
	}
	var list []Policy
	if err := json.NewDecoder(z).Decode(&list); err != nil {
		panic(fmt.Sprintf("unpack the managed policies: %v", err))
	}
	return list
})
