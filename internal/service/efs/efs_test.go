package efs_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// unexported leaves out what the SDK keeps for itself.
var unexported = cmpopts.IgnoreUnexported(types.FileSystemDescription{}, types.FileSystemSize{}, types.FileSystemProtectionDescription{},
	types.Tag{}, types.MountTargetDescription{}, types.AccessPointDescription{}, types.PosixUser{}, types.RootDirectory{}, types.CreationInfo{})

func TestTheLifeOfAFileSystem(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	made := must(e, e.CreateFileSystem, &sdk.CreateFileSystemInput{
		CreationToken: new("t"), ThroughputMode: types.ThroughputModeElastic, PerformanceMode: types.PerformanceModeGeneralPurpose,
		Encrypted: new(false), Backup: new(false), Tags: []types.Tag{{Key: new("Name"), Value: new("data")}},
	})
	id := *made.FileSystemId
	if made.LifeCycleState != types.LifeCycleStateCreating || e.isDir(id) {
		t.Errorf("state %s, directory %t", made.LifeCycleState, e.isDir(id))
	}
	refused(e, "IncorrectFileSystemLifeCycleState", "'creating'", e.CreateMountTarget, &sdk.CreateMountTargetInput{FileSystemId: &id, SubnetId: new(subnetA)})
	refused(e, "FileSystemAlreadyExists", "File system '"+id+"' already exists with creation token 't'", e.CreateFileSystem, &sdk.CreateFileSystemInput{CreationToken: new("t")})
	e.settle()
	got := e.described(id)
	want := types.FileSystemDescription{
		FileSystemId: &id, FileSystemArn: new("arn:aws:elasticfilesystem:us-west-2:123456789012:file-system/" + id), OwnerId: new(account),
		CreationToken: new("t"), CreationTime: made.CreationTime, LifeCycleState: types.LifeCycleStateAvailable, Name: new("data"),
		PerformanceMode: types.PerformanceModeGeneralPurpose, ThroughputMode: types.ThroughputModeElastic, Encrypted: new(false),
		Tags:                 []types.Tag{{Key: new("Name"), Value: new("data")}},
		FileSystemProtection: &types.FileSystemProtectionDescription{ReplicationOverwriteProtection: types.ReplicationOverwriteProtectionEnabled},
		SizeInBytes:          &types.FileSystemSize{Value: 4096, ValueInStandard: new(int64(4096)), ValueInIA: new(int64(0)), ValueInArchive: new(int64(0))},
	}
	if diff := cmp.Diff(want, got, unexported, cmpopts.IgnoreFields(types.FileSystemSize{}, "Timestamp", "Value", "ValueInStandard")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.SizeInBytes.Timestamp == nil || !e.isDir(id) {
		t.Errorf("metered at %v, directory %t", got.SizeInBytes.Timestamp, e.isDir(id))
	}
	changed := must(e, e.UpdateFileSystem, &sdk.UpdateFileSystemInput{FileSystemId: &id, ThroughputMode: types.ThroughputModeBursting})
	if changed.ThroughputMode != types.ThroughputModeBursting {
		t.Errorf("throughput mode %s", changed.ThroughputMode)
	}

	target := e.target(id, subnetA)
	if n := e.described(id).NumberOfMountTargets; n != 1 {
		t.Errorf("%d mount targets", n)
	}
	point := must(e, e.CreateAccessPoint, &sdk.CreateAccessPointInput{FileSystemId: &id})
	inUse := "The file system '" + id + "' cannot be deleted because it has mount targets. You must delete the mount targets, and then try again."
	refused(e, "FileSystemInUse", inUse, e.DeleteFileSystem, &sdk.DeleteFileSystemInput{FileSystemId: &id})
	must(e, e.DeleteMountTarget, &sdk.DeleteMountTargetInput{MountTargetId: &target})
	refused(e, "FileSystemInUse", inUse, e.DeleteFileSystem, &sdk.DeleteFileSystemInput{FileSystemId: &id})
	e.settle()
	if err := os.WriteFile(filepath.Join(e.dir, id, "file"), []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(e, e.DeleteFileSystem, &sdk.DeleteFileSystemInput{FileSystemId: &id})
	if got := e.described(id).LifeCycleState; got != types.LifeCycleStateDeleting || !e.isDir(id) {
		t.Errorf("state %s, directory %t", got, e.isDir(id))
	}
	e.settle()
	refused(e, "FileSystemNotFound", "File system '"+id+"' does not exist.", e.DescribeFileSystems, &sdk.DescribeFileSystemsInput{FileSystemId: &id})
	refused(e, "AccessPointNotFound", "Access point '"+*point.AccessPointId+"' does not exist.", e.DescribeAccessPoints, &sdk.DescribeAccessPointsInput{AccessPointId: point.AccessPointId})
	if e.isDir(id) {
		t.Error("the directory is left")
	}
	if again := e.fileSystem("t"); again == id {
		t.Error("an id is used again")
	}
}

func TestWhatFileSystemsCannotBe(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	refuse := func(code, words string, change func(*sdk.CreateFileSystemInput)) {
		t.Helper()
		in := &sdk.CreateFileSystemInput{CreationToken: new("t")}
		change(in)
		refused(e, code, words, e.CreateFileSystem, in)
	}
	refuse("BadRequest", "--encrypted-at-rest", func(in *sdk.CreateFileSystemInput) { in.Encrypted = new(true) })
	refuse("BadRequest", "'KmsKeyId' needs 'Encrypted'", func(in *sdk.CreateFileSystemInput) { in.KmsKeyId = new("alias/a") })
	refuse("BadRequest", "no KMS for the key 'alias/a'", func(in *sdk.CreateFileSystemInput) { in.Encrypted, in.KmsKeyId = new(true), new("alias/a") })
	refuse("BadRequest", "'AvailabilityZoneName' is not supported", func(in *sdk.CreateFileSystemInput) { in.AvailabilityZoneName = new("us-west-2a") })
	refuse("BadRequest", "'ProvisionedThroughputInMibps' is required", func(in *sdk.CreateFileSystemInput) { in.ThroughputMode = types.ThroughputModeProvisioned })
	refuse("BadRequest", "'ProvisionedThroughputInMibps' is only valid", func(in *sdk.CreateFileSystemInput) { in.ProvisionedThroughputInMibps = new(1.5) })
	refuse("BadRequest", "'CreationToken'", func(in *sdk.CreateFileSystemInput) { in.CreationToken = new("a\x00b") })
	refuse("ValidationException", "'performanceMode'", func(in *sdk.CreateFileSystemInput) { in.PerformanceMode = "fast" })
	refuse("ValidationException", "'aws:a'", func(in *sdk.CreateFileSystemInput) {
		in.Tags = []types.Tag{{Key: new("aws:a"), Value: new("")}}
	})
	id := e.fileSystem("u")
	refused(e, "BadRequest", "'provisioned'", e.UpdateFileSystem, &sdk.UpdateFileSystemInput{FileSystemId: &id, ThroughputMode: types.ThroughputModeProvisioned})
	refused(e, "BadRequest", "exactly one", e.PutLifecycleConfiguration, &sdk.PutLifecycleConfigurationInput{
		FileSystemId: &id, LifecyclePolicies: []types.LifecyclePolicy{{TransitionToIA: "AFTER_7_DAYS", TransitionToArchive: "AFTER_90_DAYS"}},
	})
	refused(e, "BadRequest", "one policy for each transition", e.PutLifecycleConfiguration, &sdk.PutLifecycleConfigurationInput{
		FileSystemId: &id, LifecyclePolicies: []types.LifecyclePolicy{{TransitionToIA: "AFTER_7_DAYS"}, {TransitionToIA: "AFTER_14_DAYS"}},
	})
	must(e, e.PutLifecycleConfiguration, &sdk.PutLifecycleConfigurationInput{FileSystemId: &id, LifecyclePolicies: []types.LifecyclePolicy{}})
	if out := must(e, e.DescribeLifecycleConfiguration, &sdk.DescribeLifecycleConfigurationInput{FileSystemId: &id}); len(out.LifecyclePolicies) > 0 {
		t.Errorf("policies %v", out.LifecyclePolicies)
	}
	refused(e, "FileSystemNotFound", "", e.DeleteFileSystem, &sdk.DeleteFileSystemInput{FileSystemId: new("fs-12345678")})
	refused(e, "FileSystemNotFound", "", e.DescribeFileSystems, &sdk.DescribeFileSystemsInput{FileSystemId: new("arn:aws:elasticfilesystem:us-west-2:999999999999:file-system/" + id)})
	refused(e, "FileSystemNotFound", "", e.DescribeFileSystems, &sdk.DescribeFileSystemsInput{FileSystemId: new("arn:aws-cn:elasticfilesystem:us-west-2:123456789012:file-system/" + id)})
	refused(e, "ValidationException", "'fileSystemId'", e.DescribeFileSystems, &sdk.DescribeFileSystemsInput{FileSystemId: new("fs-nope")})
	refused(e, "BadRequest", "both", e.DescribeFileSystems, &sdk.DescribeFileSystemsInput{FileSystemId: &id, CreationToken: new("u")})
	byARN := "arn:aws:elasticfilesystem:us-west-2:123456789012:file-system/" + id
	if got := *e.described(byARN).FileSystemId; got != id {
		t.Errorf("by ARN: %s", got)
	}
	if out := must(e, e.DescribeFileSystems, &sdk.DescribeFileSystemsInput{CreationToken: new("u")}); len(out.FileSystems) != 1 {
		t.Errorf("by token: %d", len(out.FileSystems))
	}
	if out := must(e, e.DescribeFileSystems, &sdk.DescribeFileSystemsInput{CreationToken: new("none")}); len(out.FileSystems) != 0 {
		t.Errorf("by no token: %d", len(out.FileSystems))
	}
}

func TestMountTargets(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.fileSystem("t")
	create := func(subnet string, groups ...string) *sdk.CreateMountTargetInput {
		return &sdk.CreateMountTargetInput{FileSystemId: &id, SubnetId: &subnet, SecurityGroups: groups}
	}
	refused(e, "SubnetNotFound", "The subnet ID 'subnet-12345678' does not exist", e.CreateMountTarget, create("subnet-12345678"))
	refused(e, "SecurityGroupNotFound", "'sg-0000dead'", e.CreateMountTarget, create(subnetA, "sg-0000dead"))
	refused(e, "SecurityGroupLimitExceeded", "", e.CreateMountTarget, create(subnetA, strings.Fields(strings.Repeat("sg-12345678 ", 6))...))
	made := must(e, e.CreateMountTarget, create(subnetA))
	if made.LifeCycleState != types.LifeCycleStateCreating || made.IpAddress != nil {
		t.Errorf("got %+v", made)
	}
	refused(e, "IncorrectMountTargetState", "'creating'", e.DescribeMountTargetSecurityGroups, &sdk.DescribeMountTargetSecurityGroupsInput{MountTargetId: made.MountTargetId})
	refused(e, "MountTargetConflict", "mount target already exists in this AZ", e.CreateMountTarget, create(subnetA2))
	refused(e, "MountTargetConflict", "not in the same VPC", e.CreateMountTarget, create(subnetX))
	bad := create(subnetB)
	bad.IpAddress = new("172.31.0.9")
	refused(e, "BadRequest", "'IpAddress' is not supported", e.CreateMountTarget, bad)
	bad = create(subnetB)
	bad.IpAddressType = types.IpAddressTypeDualStack
	refused(e, "BadRequest", "'DUAL_STACK' is not supported", e.CreateMountTarget, bad)
	e.target(id, subnetB)

	want := types.MountTargetDescription{
		MountTargetId: made.MountTargetId, FileSystemId: &id, SubnetId: new(subnetA), VpcId: new("vpc-1"), AvailabilityZoneName: new("us-west-2a"),
		AvailabilityZoneId: new("usw2-az1"), OwnerId: new(account), LifeCycleState: types.LifeCycleStateAvailable,
	}
	out := must(e, e.DescribeMountTargets, &sdk.DescribeMountTargetsInput{MountTargetId: made.MountTargetId})
	nic := e.net.nics["efs/"+*made.MountTargetId]
	want.IpAddress, want.NetworkInterfaceId = new(nic.Addr.String()), &nic.ID
	if diff := cmp.Diff([]types.MountTargetDescription{want}, out.MountTargets, unexported); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	point := must(e, e.CreateAccessPoint, &sdk.CreateAccessPointInput{FileSystemId: &id})
	for _, in := range []*sdk.DescribeMountTargetsInput{{FileSystemId: &id}, {AccessPointId: point.AccessPointId}} {
		if got := must(e, e.DescribeMountTargets, in); len(got.MountTargets) != 2 {
			t.Errorf("%d mount targets", len(got.MountTargets))
		}
	}
	first := must(e, e.DescribeMountTargets, &sdk.DescribeMountTargetsInput{FileSystemId: &id, MaxItems: new(int32(1))})
	rest := must(e, e.DescribeMountTargets, &sdk.DescribeMountTargetsInput{FileSystemId: &id, Marker: first.NextMarker})
	if len(first.MountTargets) != 1 || len(rest.MountTargets) != 1 || *first.MountTargets[0].MountTargetId == *rest.MountTargets[0].MountTargetId || rest.NextMarker != nil {
		t.Errorf("pages %v, %v", first.MountTargets, rest.MountTargets)
	}
	refused(e, "BadRequest", "Must specify exactly one", e.DescribeMountTargets, &sdk.DescribeMountTargetsInput{})
	refused(e, "BadRequest", "marker", e.DescribeMountTargets, &sdk.DescribeMountTargetsInput{FileSystemId: &id, Marker: new("?")})
	refused(e, "MountTargetNotFound", "Mount target 'fsmt-12345678' does not exist.", e.DeleteMountTarget, &sdk.DeleteMountTargetInput{MountTargetId: new("fsmt-12345678")})

	must(e, e.ModifyMountTargetSecurityGroups, &sdk.ModifyMountTargetSecurityGroupsInput{MountTargetId: made.MountTargetId, SecurityGroups: []string{"sg-12345678"}})
	refused(e, "BadRequest", "At least one security group", e.ModifyMountTargetSecurityGroups, &sdk.ModifyMountTargetSecurityGroupsInput{MountTargetId: made.MountTargetId})
	e.settle()
	groups := must(e, e.DescribeMountTargetSecurityGroups, &sdk.DescribeMountTargetSecurityGroupsInput{MountTargetId: made.MountTargetId})
	if diff := cmp.Diff([]string{"sg-12345678"}, groups.SecurityGroups); diff != "" || e.net.nics["efs/"+*made.MountTargetId].groups[0] != "sg-12345678" {
		t.Errorf("groups %v, of the interface %v", groups.SecurityGroups, e.net.nics)
	}
	must(e, e.DeleteMountTarget, &sdk.DeleteMountTargetInput{MountTargetId: made.MountTargetId})
	if got := must(e, e.DescribeMountTargets, &sdk.DescribeMountTargetsInput{MountTargetId: made.MountTargetId}); got.MountTargets[0].LifeCycleState != types.LifeCycleStateDeleting {
		t.Errorf("state %s", got.MountTargets[0].LifeCycleState)
	}
	e.settle()
	refused(e, "MountTargetNotFound", "", e.DescribeMountTargets, &sdk.DescribeMountTargetsInput{MountTargetId: made.MountTargetId})
	if len(e.net.nics) != 1 {
		t.Errorf("interfaces %v", e.net.nics)
	}
}

func TestAccessPoints(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.fileSystem("t")
	in := &sdk.CreateAccessPointInput{
		FileSystemId: &id, ClientToken: new("c"), Tags: []types.Tag{{Key: new("Name"), Value: new("web")}},
		PosixUser: &types.PosixUser{Uid: new(int64(0)), Gid: new(int64(1000))},
		RootDirectory: &types.RootDirectory{
			Path: new("/srv/web"), CreationInfo: &types.CreationInfo{OwnerUid: new(int64(1000)), OwnerGid: new(int64(0)), Permissions: new("0755")},
		},
	}
	made := must(e, e.CreateAccessPoint, in)
	point := *made.AccessPointId
	refused(e, "AccessPointAlreadyExists", "Access point '"+point+"' already exists", e.CreateAccessPoint, in)
	want := []types.AccessPointDescription{{
		AccessPointId: &point, AccessPointArn: new("arn:aws:elasticfilesystem:us-west-2:123456789012:access-point/" + point), ClientToken: new("c"),
		FileSystemId: &id, LifeCycleState: types.LifeCycleStateAvailable, Name: new("web"), OwnerId: new(account),
		PosixUser: in.PosixUser, RootDirectory: in.RootDirectory, Tags: in.Tags,
	}}
	got := must(e, e.DescribeAccessPoints, &sdk.DescribeAccessPointsInput{FileSystemId: &id})
	if diff := cmp.Diff(want, got.AccessPoints, unexported); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	plain := must(e, e.CreateAccessPoint, &sdk.CreateAccessPointInput{FileSystemId: &id})
	if *plain.RootDirectory.Path != "/" || plain.PosixUser != nil {
		t.Errorf("got %+v", plain)
	}
	for _, p := range []string{"web", "/", "/a/b/c/d/e", "/.a", "/a//b", "/a/", "/a/../b", "/a$b", "//a"} {
		in := &sdk.CreateAccessPointInput{FileSystemId: &id, RootDirectory: &types.RootDirectory{Path: &p}}
		if p == "/" {
			must(e, e.CreateAccessPoint, in)
			continue
		}
		refused(e, "ValidationException", "rootDirectory.path", e.CreateAccessPoint, in)
	}
	in.ClientToken, in.PosixUser.SecondaryGids = nil, []int64{1}
	refused(e, "BadRequest", "SecondaryGids", e.CreateAccessPoint, in)
	refused(e, "FileSystemNotFound", "", e.CreateAccessPoint, &sdk.CreateAccessPointInput{FileSystemId: new("fs-12345678")})
	refused(e, "BadRequest", "both", e.DescribeAccessPoints, &sdk.DescribeAccessPointsInput{FileSystemId: &id, AccessPointId: &point})
	must(e, e.DeleteAccessPoint, &sdk.DeleteAccessPointInput{AccessPointId: &point})
	refused(e, "AccessPointNotFound", "Access point '"+point+"' does not exist.", e.DeleteAccessPoint, &sdk.DeleteAccessPointInput{AccessPointId: &point})
	if all := must(e, e.DescribeAccessPoints, &sdk.DescribeAccessPointsInput{}); len(all.AccessPoints) != 2 {
		t.Errorf("%d access points are left", len(all.AccessPoints))
	}
}

func TestTagsAndPages(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.fileSystem("t")
	point := *must(e, e.CreateAccessPoint, &sdk.CreateAccessPointInput{FileSystemId: &id}).AccessPointId
	for _, r := range []string{id, point, "arn:aws:elasticfilesystem:us-west-2:123456789012:access-point/" + point} {
		tag := func(pairs ...string) []types.Tag {
			out := []types.Tag{}
			for i := 0; i < len(pairs); i += 2 {
				out = append(out, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
			}
			return out
		}
		must(e, e.TagResource, &sdk.TagResourceInput{ResourceId: &r, Tags: tag("b", "1", "a b", "2")})
		must(e, e.TagResource, &sdk.TagResourceInput{ResourceId: &r, Tags: tag("b", "3")})
		got := must(e, e.ListTagsForResource, &sdk.ListTagsForResourceInput{ResourceId: &r})
		if diff := cmp.Diff(tag("a b", "2", "b", "3"), got.Tags, unexported); diff != "" {
			t.Errorf("%s (-want +got):\n%s", r, diff)
		}
		first := must(e, e.ListTagsForResource, &sdk.ListTagsForResourceInput{ResourceId: &r, MaxResults: new(int32(1))})
		rest := must(e, e.ListTagsForResource, &sdk.ListTagsForResourceInput{ResourceId: &r, NextToken: first.NextToken})
		if *first.Tags[0].Key != "a b" || *rest.Tags[0].Key != "b" || rest.NextToken != nil {
			t.Errorf("pages %v, %v", first.Tags, rest.Tags)
		}
		must(e, e.UntagResource, &sdk.UntagResourceInput{ResourceId: &r, TagKeys: []string{"a b", "none"}})
		if got := must(e, e.ListTagsForResource, &sdk.ListTagsForResourceInput{ResourceId: &r}); len(got.Tags) != 1 {
			t.Errorf("%s: tags %v", r, got.Tags)
		}
		must(e, e.UntagResource, &sdk.UntagResourceInput{ResourceId: &r, TagKeys: []string{"b"}})
		refused(e, "BadRequest", "more than once", e.TagResource, &sdk.TagResourceInput{ResourceId: &r, Tags: tag("b", "1", "b", "2")})
		refused(e, "ValidationException", "", e.UntagResource, &sdk.UntagResourceInput{ResourceId: &r, TagKeys: []string{"AWS:a"}})
		many := []string{}
		for i := range 51 {
			many = append(many, fmt.Sprint("k", i), "")
		}
		refused(e, "BadRequest", "at most 50", e.TagResource, &sdk.TagResourceInput{ResourceId: &r, Tags: tag(many...)})
	}
	refused(e, "FileSystemNotFound", "", e.ListTagsForResource, &sdk.ListTagsForResourceInput{ResourceId: new("fs-12345678")})
	refused(e, "AccessPointNotFound", "", e.TagResource, &sdk.TagResourceInput{ResourceId: new("fsap-12345678"), Tags: []types.Tag{{Key: new("a"), Value: new("")}}})

	e.fileSystem("u")
	e.fileSystem("v")
	seen := map[string]bool{}
	pages := sdk.NewDescribeFileSystemsPaginator(e.Client, &sdk.DescribeFileSystemsInput{MaxItems: new(int32(2))})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range out.FileSystems {
			seen[*f.FileSystemId] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d file systems", len(seen))
	}
}

// TestRealCLI asks through the aws command.
func TestRealCLI(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("aws")
	if err != nil {
		if strings.Contains(os.Getenv("REQUIRE"), "aws") {
			t.Fatal(err)
		}
		t.Skip("the aws command is not here")
	}
	e := newEnv(t)
	run := func(line string) string {
		cmd := exec.CommandContext(t.Context(), path, append([]string{"efs", "--output", "text"}, strings.Fields(line)...)...)
		cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+e.url, "AWS_DEFAULT_REGION="+region, "AWS_CONFIG_FILE=/dev/null",
			"AWS_ACCESS_KEY_ID="+key.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+key.SecretAccessKey)
		out, _ := cmd.CombinedOutput()
		e.settle()
		return strings.TrimSpace(string(out))
	}
	names := map[string]string{}
	for _, tc := range []struct{ name, line, want string }{
		{"FSID", "create-file-system --creation-token t --tags Key=Name,Value=data --query FileSystemId", ""},
		{"", "describe-file-systems --query FileSystems[].[Name,LifeCycleState,SizeInBytes.ValueInIA]", "data\tavailable\t0"},
		{"MTID", "create-mount-target --file-system-id FSID --subnet-id " + subnetA + " --query MountTargetId", ""},
		{"", "describe-mount-targets --file-system-id FSID --query MountTargets[].[LifeCycleState,IpAddress]", "available\t172.31.0.1"},
		{"", "describe-mount-target-security-groups --mount-target-id MTID --query SecurityGroups", "sg-00000001"},
		{"APID", "create-access-point --file-system-id FSID --posix-user Uid=1000,Gid=1000 --root-directory Path=/web,CreationInfo={OwnerUid=1,OwnerGid=2,Permissions=755} --query AccessPointId", ""},
		{"", "describe-access-points --query AccessPoints[].[RootDirectory.Path,PosixUser.Uid]", "/web\t1000"},
		{"", "tag-resource --resource-id APID --tags Key=a,Value=1 Key=b,Value=2", ""},
		{"", "untag-resource --resource-id APID --tag-keys a c", ""},
		{"", "list-tags-for-resource --resource-id APID --query Tags[].Key", "b"},
		{"", "update-file-system --file-system-id FSID --throughput-mode elastic --query ThroughputMode", "elastic"},
		{"", "describe-lifecycle-configuration --file-system-id FSID --query LifecyclePolicies", ""},
		{"", "delete-file-system --file-system-id FSID", "An error occurred (FileSystemInUse) when calling the DeleteFileSystem operation: The file system 'FSID' cannot be deleted because it has mount targets. You must delete the mount targets, and then try again."},
		{"", "delete-file-system --file-system-id fake-id", "An error occurred (ValidationException) when calling the DeleteFileSystem operation: 1 validation error detected: Value 'fake-id' at 'fileSystemId' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(arn:aws[-a-z]*:elasticfilesystem:[0-9a-z-:]+:file-system/fs-[0-9a-f]{8,40}|fs-[0-9a-f]{8,40})$"},
		{"", "describe-file-system-policy --file-system-id FSID", "An error occurred (PolicyNotFound) when calling the DescribeFileSystemPolicy operation: The file system 'FSID' has no policy."},
		{"", "delete-mount-target --mount-target-id MTID", ""},
		{"", "delete-file-system --file-system-id FSID", ""},
		{"", "describe-file-systems --file-system-id FSID", "An error occurred (FileSystemNotFound) when calling the DescribeFileSystems operation: File system 'FSID' does not exist."},
	} {
		filled := func(s string) string {
			for name, value := range names {
				s = strings.ReplaceAll(s, name, value)
			}
			return s
		}
		out := run(filled(tc.line))
		if tc.name != "" && strings.HasPrefix(out, "fs") {
			names[tc.name] = out
			continue
		}
		if want := filled(tc.want); out != want {
			t.Errorf("aws efs %s:\n got %s\nwant %s", filled(tc.line), out, want)
		}
	}
}

// TestTagsAsMap: until version 2 a record had a list of tags.
func TestTagsAsMap(t *testing.T) {
	t.Parallel()
	type tag struct{ Key, Value string }
	type fileSystem1 struct {
		ID, Token string
		Tags      []tag
	}
	old := store.NewTable("efs-file-system", store.Index[fileSystem1]{Name: "token", Values: func(f fileSystem1) []string { return []string{f.Token} }})
	db := memstore.New()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(old.Put(tx, "fs-1", fileSystem1{"fs-1", "a", []tag{{"Name", "data"}, {"b", ""}}}), old.Put(tx, "fs-2", fileSystem1{ID: "fs-2", Token: "b"}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Upgrade(t.Context(), db, nil, efs.Tables()...); err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx store.Tx) error {
		got, err := efs.FileSystems.List(tx, "")
		want := []efs.FileSystem{{ID: "fs-1", Token: "a", Tags: map[string]string{"Name": "data", "b": ""}}, {ID: "fs-2", Token: "b"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("file systems (-want +got):\n%s", diff)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
