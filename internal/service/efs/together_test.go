package efs_test

import (
	"errors"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"
	"github.com/aws/smithy-go"
)

// TestAllFaultsAreToldAtOnce sends calls that are wrong in many places: one message names each, in order.
func TestAllFaultsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	tags := []types.Tag{{Key: new("a;b"), Value: new("")}, {Key: new("k"), Value: new("")}, {Key: new("k"), Value: new("")}}
	long := strings.Repeat("/a", 5)
	told := func(err error, words ...string) {
		t.Helper()
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok || api.ErrorCode() != "BadRequest" {
			t.Fatalf("got %v, want BadRequest", err)
		}
		rest := api.ErrorMessage()
		for _, want := range words {
			_, after, found := strings.Cut(rest, want)
			if !found {
				t.Errorf("%q isn't told in its place, of: %s", want, api.ErrorMessage())
				continue
			}
			rest = after
		}
	}
	_, err := e.CreateFileSystem(t.Context(), &sdk.CreateFileSystemInput{
		CreationToken: new("a\x00"), AvailabilityZoneName: new("us-west-2a"), Encrypted: new(true), KmsKeyId: new("alias/mine"),
		ProvisionedThroughputInMibps: new(2.0), Tags: tags,
	})
	told(err, "'AvailabilityZoneName'", "'alias/mine'", "'Encrypted'", "'ProvisionedThroughputInMibps'", "'CreationToken'", "'a;b'", "'k' is given more than once")
	_, err = e.CreateAccessPoint(t.Context(), &sdk.CreateAccessPointInput{
		FileSystemId: new("fs-01234567"), ClientToken: new("a\x00"), PosixUser: &types.PosixUser{Uid: new(int64(1)), Gid: new(int64(1)), SecondaryGids: []int64{2}},
		RootDirectory: &types.RootDirectory{Path: &long}, Tags: tags,
	})
	told(err, "SecondaryGids", "'ClientToken'", "'a;b'", "'k' is given more than once", "'"+long+"' at 'rootDirectory.path'")
}
