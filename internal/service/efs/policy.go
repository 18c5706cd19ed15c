package efs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/store"
)

// badPolicy is what is wrong with a file system's policy.
func badPolicy(format string, args ...any) error {
	return &types.InvalidPolicyException{Message: new(fmt.Sprintf(format, args...))}
}

// readPolicy reads the policy of a file system, whoever and whatever there is. A statement without a Resource is about the file
// system (https://docs.aws.amazon.com/efs/latest/ug/API_PutFileSystemPolicy.html).
func readPolicy(text string) (*document.Document, error) {
	d, err := document.Check(text, document.Resource)
	if err != nil {
		return nil, badPolicy("%v", err)
	}
	if d.CheckNames() != nil {
		return nil, badPolicy(badPrincipal)
	}
	return d, nil
}

// prepare checks a text that is to be the policy of a file system, and returns it as that has it, and compiled.
func (a *API) prepare(ctx context.Context, text, fileSystem string) (p Policy, compiled *policy.Policy, err error) {
	d, err := readPolicy(text)
	if err != nil {
		return p, nil, err
	}
	ids, err := d.IDs(ctx, a.ns.Account, a.who)
	if errors.Is(err, document.ErrNobody) {
		return p, nil, badPolicy(badPrincipal)
	}
	if err != nil {
		return p, nil, err
	}
	if compiled, err = policy.Compile(policyName(fileSystem), d, ids); err != nil {
		return p, nil, badPolicy("%v", err)
	}
	return Policy{Text: text, IDs: ids}, compiled, nil
}

const badPrincipal = "Policy contains invalid Principal block."

// Compile returns the policy of a file system as it is judged by.
func (p Policy) Compile(fileSystem string) (*policy.Policy, error) {
	d, err := document.Parse(p.Text)
	if err != nil {
		return nil, fmt.Errorf("read the policy of file system %s: %w", fileSystem, err)
	}
	return policy.Compile(policyName(fileSystem), d, p.IDs)
}

func policyName(fileSystem string) policy.Name {
	return policy.Name{Name: "of the file system " + fileSystem}
}

// PutFileSystemPolicy says who may do what with a file system.
func (a *API) PutFileSystemPolicy(ctx context.Context, in *efs.PutFileSystemPolicyInput) (*efs.PutFileSystemPolicyOutput, error) {
	id := a.local(in.FileSystemId)
	p, compiled, err := a.prepare(ctx, *in.Policy, id)
	if err != nil {
		return nil, err
	}
	if !in.BypassPolicyLockoutSafetyCheck && a.locksOut(ctx, compiled, id) {
		return nil, badPolicy("The policy would prevent you from making PutFileSystemPolicy requests on the file system. Set BypassPolicyLockoutSafetyCheck to set it nevertheless.")
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*efs.PutFileSystemPolicyOutput, error) {
		f, err := available(tx, id)
		if err != nil {
			return nil, err
		}
		f.Policy = p
		return &efs.PutFileSystemPolicyOutput{FileSystemId: &f.ID, Policy: &f.Policy.Text}, FileSystems.Put(tx, f.ID, f)
	})
}

// locksOut tells whether the caller could set no other policy when p is the file system's.
func (a *API) locksOut(ctx context.Context, p *policy.Policy, id string) bool {
	who := session.From(ctx)
	who.Policies.Resource = p
	call := policy.Call{Caller: who.Principal, Action: serviceName + ":PutFileSystemPolicy", Resource: a.arnOf(id), Keys: who.Keys}
	return !policy.Decide(call, who.Policies).Allowed()
}

func (a *API) arnOf(fileSystem string) string {
	return a.ns.ARN(serviceName, "file-system/"+fileSystem)
}

// DescribeFileSystemPolicy returns the policy as it was set. The default one isn't shown, as on AWS.
func (a *API) DescribeFileSystemPolicy(ctx context.Context, in *efs.DescribeFileSystemPolicyInput) (*efs.DescribeFileSystemPolicyOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*efs.DescribeFileSystemPolicyOutput, error) {
		f, err := getFileSystem(tx, a.local(in.FileSystemId))
		if err != nil {
			return nil, err
		}
		if f.Policy.Text == "" {
			return nil, &types.PolicyNotFound{Message: new(fmt.Sprintf("The file system '%s' has no policy.", f.ID))}
		}
		return &efs.DescribeFileSystemPolicyOutput{FileSystemId: &f.ID, Policy: &f.Policy.Text}, nil
	})
}

// DeleteFileSystemPolicy removes the policy, so that the default one counts.
func (a *API) DeleteFileSystemPolicy(ctx context.Context, in *efs.DeleteFileSystemPolicyInput) (*efs.DeleteFileSystemPolicyOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*efs.DeleteFileSystemPolicyOutput, error) {
		f, err := available(tx, a.local(in.FileSystemId))
		if err != nil {
			return nil, err
		}
		f.Policy = Policy{}
		return &efs.DeleteFileSystemPolicyOutput{}, FileSystems.Put(tx, f.ID, f)
	})
}

// Own returns the policy of the file system that has an ARN; nil when it has none, or there is no such file system.
func (a *API) Own(ctx context.Context, _, resource string) (*policy.Policy, error) {
	id, is := strings.CutPrefix(resource, a.arnOf(""))
	if !is {
		return nil, nil
	}
	f, err := handler.View(ctx, a.db, func(tx store.Tx) (FileSystem, error) {
		f, _, err := handler.Find(tx, FileSystems, id)
		return f, err
	})
	if err != nil || f.Policy.Text == "" {
		return nil, err
	}
	return a.compiled.Compile(id, policyName(id), f.Policy.Text, f.Policy.IDs)
}
