// Package access decides what a client may do that mounts a file system, as a pure function of the file system's policy and the
// client's own.
package access

import (
	"strconv"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/service/efs"
)

// everybody is the policy of a file system that has none of its own
// (https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html#default-filesystempolicy).
const everybody = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},
	"Action":["elasticfilesystem:ClientMount","elasticfilesystem:ClientWrite","elasticfilesystem:ClientRootAccess"],
	"Condition":{"Bool":{"elasticfilesystem:AccessedViaMountTarget":"true"}}}]}`

// Client is who mounts a file system. The zero Client says nothing of itself.
type Client struct {
	Principal policy.Principal
	Policies  policy.Policies // without the file system's
	Encrypted bool            // what it reads and writes is encrypted in transit
}

// Access is what a client may do with a file system that it has mounted, beside reading.
type Access struct {
	Write bool
	Root  bool // as root
}

// Admit says what a client may do that mounts f by an access point, or by none. The decision is that about the mount itself:
// unless it allows that, the client may do nothing.
func Admit(ns arn.Namespace, f efs.FileSystem, c Client, accessPoint string) (may Access, mount policy.Decision, err error) {
	own, all := f.Policy, c.Policies
	if own.Text == "" {
		own = efs.Policy{Text: everybody}
	}
	if all.Resource, err = own.Compile(f.ID); err != nil {
		return may, mount, err
	}
	// EFS tells policies these keys of a client, and no others
	// (https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html#efs-condition-keys-for-nfs).
	var keys policy.Keys
	keys.Set("aws:SecureTransport", strconv.FormatBool(c.Encrypted))
	keys.Set("elasticfilesystem:AccessedViaMountTarget", "true")
	if accessPoint != "" {
		keys.Set("elasticfilesystem:AccessPointArn", ns.ARN("elasticfilesystem", "access-point/"+accessPoint))
	}
	decide := func(action string) policy.Decision {
		return policy.Decide(policy.Call{
			Caller: c.Principal, Action: "elasticfilesystem:" + action, Resource: ns.ARN("elasticfilesystem", "file-system/"+f.ID), Keys: keys,
		}, all)
	}
	return Access{Write: decide("ClientWrite").Allowed(), Root: decide("ClientRootAccess").Allowed()}, decide("ClientMount"), nil
}
