package efs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/attach"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/credential"
	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/service/efs"
	efsattach "github.com/skylift/skylift/internal/service/efs/attach"
	"github.com/skylift/skylift/internal/service/efs/volumes"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire"
)

const (
	region  = "us-west-2"
	account = "123456789012"

	subnetA  = "subnet-0000000000000000a"
	subnetA2 = "subnet-000000000000000a2" // in the same zone
	subnetB  = "subnet-0000000000000000b"
	subnetX  = "subnet-000000000000000ff" // of another VPC
)

// fakeNetwork has two VPCs, and keeps interfaces by owner.
type fakeNetwork struct {
	mu   sync.Mutex
	nics map[string]nic
	made int
}

type nic struct {
	attach.Made
	groups []string
}

func (n *fakeNetwork) Subnet(_ context.Context, id string) (efs.Subnet, error) {
	switch id {
	case subnetA, subnetA2:
		return efs.Subnet{ID: id, VPC: "vpc-1", AZ: "us-west-2a", AZID: "usw2-az1"}, nil
	case subnetB:
		return efs.Subnet{ID: id, VPC: "vpc-1", AZ: "us-west-2b", AZID: "usw2-az2"}, nil
	case subnetX:
		return efs.Subnet{ID: id, VPC: "vpc-2", AZ: "us-west-2c", AZID: "usw2-az3"}, nil
	}
	return efs.Subnet{}, awserr.New("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
}

func (n *fakeNetwork) DefaultGroup(_ context.Context, vpc string) (string, error) {
	return map[string]string{"vpc-1": "sg-00000001", "vpc-2": "sg-00000002"}[vpc], nil
}

func (n *fakeNetwork) CheckGroups(_ context.Context, _ string, ids []string) error {
	if slices.Contains(ids, "sg-0000dead") {
		return awserr.New("InvalidGroup.NotFound", "The security group 'sg-0000dead' does not exist")
	}
	return nil
}

func (n *fakeNetwork) CreateInterface(_ context.Context, r attach.Request) (attach.Made, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, ok := n.nics[r.Owner]
	if !ok {
		n.made++
		i = nic{attach.Made{ID: fmt.Sprintf("eni-%d", n.made), Addr: netip.AddrFrom4([4]byte{172, 31, 0, byte(n.made)})}, r.Groups}
		n.nics[r.Owner] = i
	}
	return i.Made, nil
}

func (n *fakeNetwork) DeleteInterface(_ context.Context, id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.nics, func(_ string, i nic) bool { return i.ID == id })
	return nil
}

func (n *fakeNetwork) SetInterfaceGroups(_ context.Context, id string, groups []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for owner, i := range n.nics {
		if i.ID == id {
			n.nics[owner] = nic{i.Made, groups}
			return nil
		}
	}
	return fmt.Errorf("no interface %s", id)
}

// people are the account's users and roles.
type people struct{}

func (people) UniqueID(_ context.Context, name string) (string, bool, error) {
	return "AROAAPP", name == appRole, nil
}

const appRole = "arn:aws:iam::" + account + ":role/app"

// env is EFS behind a gateway, with the SDK's client in front.
type env struct {
	*sdk.Client
	t       *testing.T
	url     string
	dir     string
	db      store.DB
	net     *fakeNetwork
	volumes *volumes.Volumes
	attach  *attach.Reconciler
}

var key = credential.Key{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

func newEnv(t *testing.T) *env { return newEnvOn(t, false) }

// newEnvOn has its files on a disk that is encrypted, or isn't.
func newEnvOn(t *testing.T, encrypted bool) *env {
	t.Helper()
	e := &env{t: t, db: memstore.New(), net: &fakeNetwork{nics: map[string]nic{}}, dir: filepath.Join(t.TempDir(), "efs")}
	log := slog.New(slog.DiscardHandler)
	e.volumes = volumes.New(volumes.Config{DB: e.db, Dir: e.dir, Namespace: arn.Namespace{Region: region, Account: account}, Log: log})
	e.attach = attach.New(e.db, e.net, efsattach.MountTargets{})
	api := efs.New(e.db, arn.Namespace{Region: region, Account: account}, e.net, people{}, encrypted)
	svc, err := wire.NewService("elasticfilesystem", api.Operations()...)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gateway.New(gateway.Config{
		Region: region, Keys: credential.Root{Key: key, Account: account}, Services: []*wire.Service{svc}, Own: api.Own, Log: log,
	}))
	t.Cleanup(srv.Close)
	e.url = srv.URL
	e.Client = sdk.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: &e.url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, nil
		}),
	})
	return e
}

// settle runs the loops over all that there is.
func (e *env) settle() {
	e.t.Helper()
	var systems []efs.FileSystem
	var targets []efs.MountTarget
	err := e.db.View(e.t.Context(), func(tx store.Tx) (err error) {
		if systems, err = efs.FileSystems.List(tx, ""); err != nil {
			return err
		}
		targets, err = efs.MountTargets.List(tx, "")
		return err
	})
	for _, f := range systems {
		_, rerr := e.volumes.Reconcile(e.t.Context(), f.ID)
		err = errors.Join(err, rerr)
	}
	for _, m := range targets {
		_, rerr := e.attach.Reconcile(e.t.Context(), m.ID)
		err = errors.Join(err, rerr)
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

// must returns what a call of the client does, which must go well.
func must[I, O any](e *env, call func(context.Context, *I, ...func(*sdk.Options)) (*O, error), in *I) *O {
	e.t.Helper()
	out, err := call(e.t.Context(), in)
	if err != nil {
		e.t.Fatalf("%T: %v", in, err)
	}
	return out
}

// refused checks that a call fails with that code and a message that has those
// words.
func refused[I, O any](e *env, code, words string, call func(context.Context, *I, ...func(*sdk.Options)) (*O, error), in *I) {
	e.t.Helper()
	_, err := call(e.t.Context(), in)
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), words) {
		e.t.Errorf("%T: got %v, want %s: …%s…", in, err, code, words)
	}
}

// fileSystem makes a file system that is available.
func (e *env) fileSystem(token string) string {
	e.t.Helper()
	id := *must(e, e.CreateFileSystem, &sdk.CreateFileSystemInput{CreationToken: &token}).FileSystemId
	e.settle()
	return id
}

// target makes a mount target that is available.
func (e *env) target(fs, subnet string) string {
	e.t.Helper()
	id := *must(e, e.CreateMountTarget, &sdk.CreateMountTargetInput{FileSystemId: &fs, SubnetId: &subnet}).MountTargetId
	e.settle()
	return id
}

func (e *env) described(fs string) types.FileSystemDescription {
	e.t.Helper()
	return must(e, e.DescribeFileSystems, &sdk.DescribeFileSystemsInput{FileSystemId: &fs}).FileSystems[0]
}

func (e *env) isDir(fs string) bool {
	info, err := os.Stat(filepath.Join(e.dir, fs))
	return err == nil && info.IsDir()
}
