// Package efs is the Amazon EFS API: file systems, the mount targets that they
// are reached through and access points, as records.
//
// A handler checks, writes what is wanted in one transaction and answers. Loops
// do the rest: efs/volumes keeps each file system's directory and records
// whether it exists and how large it is, and efs/attach gives mount targets their
// network interfaces. A directory is removed only when the record of its file
// system says so.
package efs

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Subnet is what EFS needs to know of a subnet.
type Subnet struct{ ID, VPC, AZ, AZID string }

// network is what EFS asks of EC2.
type network interface {
	// Subnet and CheckGroups fail with a client's error when there is no such
	// thing.
	Subnet(ctx context.Context, id string) (Subnet, error)
	DefaultGroup(ctx context.Context, vpc string) (string, error)
	CheckGroups(ctx context.Context, vpc string, ids []string) error
}

// API answers for EFS.
type API struct {
	db  store.DB
	ns  arn.Namespace
	net network
	who document.Directory

	encrypted bool
	compiled  policy.Cache
}

// New returns the API. Encrypted says that the disk with the file systems is known
// to be encrypted.
func New(db store.DB, ns arn.Namespace, net network, who document.Directory, encrypted bool) *API {
	return &API{db: db, ns: ns, net: net, who: who, encrypted: encrypted}
}

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateAccessPoint", a.CreateAccessPoint).On("file-system: FileSystemId").Makes("access-point: *").Takes("ClientToken FileSystemId PosixUser{Uid Gid} RootDirectory{*} Tags{*}").
			Checks(func(in *efs.CreateAccessPointInput) []error { return pointFaults(in) }),
		wire.Op("CreateFileSystem", a.CreateFileSystem).Makes("file-system: *").Keys("elasticfilesystem:Encrypted: Encrypted").Takes("CreationToken Encrypted KmsKeyId Tags{*}").
			Keeps("Backup", noBackup).Keeps("PerformanceMode=generalPurpose ThroughputMode=bursting|elastic ProvisionedThroughputInMibps", noModes).
			Checks(func(in *efs.CreateFileSystemInput) []error { return a.fileSystemFaults(in) }),
		wire.Op("CreateMountTarget", a.CreateMountTarget).On("file-system: FileSystemId").Takes("FileSystemId SubnetId SecurityGroups IpAddressType"),
		wire.Op("DeleteAccessPoint", a.DeleteAccessPoint).On("access-point: AccessPointId").Takes("AccessPointId"),
		wire.Op("DeleteFileSystem", a.DeleteFileSystem).On("file-system: FileSystemId").Takes("FileSystemId"),
		wire.Op("DeleteFileSystemPolicy", a.DeleteFileSystemPolicy).On("file-system: FileSystemId").Takes("FileSystemId"),
		wire.Op("DeleteMountTarget", a.DeleteMountTarget).OnFound("file-system: MountTargetId", a.fileSystemsOf).Takes("MountTargetId"),
		wire.Op("DescribeAccessPoints", a.DescribeAccessPoints).On("access-point: AccessPointId", "file-system: FileSystemId").Takes("AccessPointId FileSystemId MaxResults NextToken"),
		wire.Op("DescribeBackupPolicy", a.DescribeBackupPolicy).On("file-system: FileSystemId").Takes("FileSystemId"),
		wire.Op("DescribeFileSystemPolicy", a.DescribeFileSystemPolicy).On("file-system: FileSystemId").Takes("FileSystemId"),
		wire.Op("DescribeFileSystems", a.DescribeFileSystems).On("file-system: FileSystemId").Takes("CreationToken FileSystemId Marker MaxItems"),
		wire.Op("DescribeLifecycleConfiguration", a.DescribeLifecycleConfiguration).On("file-system: FileSystemId").Takes("FileSystemId"),
		wire.Op("DescribeMountTargetSecurityGroups", a.DescribeMountTargetSecurityGroups).OnFound("file-system: MountTargetId", a.fileSystemsOf).Takes("MountTargetId"),
		wire.Op("DescribeMountTargets", a.DescribeMountTargets).On("access-point: AccessPointId", "file-system: FileSystemId").
			OnFound("file-system: MountTargetId|AccessPointId", a.fileSystemsOf).Takes("AccessPointId FileSystemId Marker MaxItems MountTargetId"),
		wire.Op("ListTagsForResource", a.ListTagsForResource).OnFound("*: ResourceId", a.arnsOf).Takes("ResourceId MaxResults NextToken"),
		wire.Op("ModifyMountTargetSecurityGroups", a.ModifyMountTargetSecurityGroups).OnFound("file-system: MountTargetId", a.fileSystemsOf).Takes("MountTargetId SecurityGroups"),
		wire.Op("PutBackupPolicy", a.PutBackupPolicy).On("file-system: FileSystemId").Takes("FileSystemId").Keeps("BackupPolicy{Status=DISABLED|DISABLING}", noBackup),
		wire.Op("PutFileSystemPolicy", a.PutFileSystemPolicy).On("file-system: FileSystemId").Takes("FileSystemId Policy BypassPolicyLockoutSafetyCheck").
			Checks(func(in *efs.PutFileSystemPolicyInput) []error {
				if _, err := readPolicy(aws.ToString(in.Policy)); err != nil {
					return []error{err}
				}
				return nil
			}),
		wire.Op("PutLifecycleConfiguration", a.PutLifecycleConfiguration).On("file-system: FileSystemId").Takes("FileSystemId").Keeps("LifecyclePolicies{*}", noClasses),
		wire.Op("TagResource", a.TagResource).OnFound("*: ResourceId", a.arnsOf).Takes("ResourceId Tags{*}"),
		wire.Op("UntagResource", a.UntagResource).OnFound("*: ResourceId", a.arnsOf).Takes("ResourceId tagKeys"),
		wire.Op("UpdateFileSystem", a.UpdateFileSystem).On("file-system: FileSystemId").Takes("FileSystemId").Keeps("ThroughputMode=bursting|elastic ProvisionedThroughputInMibps", noModes),
	}
}

const (
	serviceName = "elasticfilesystem"
	// refusal is the error code for what is not supported.
	refusal = "BadRequest"
)

func badRequest(format string, args ...any) error {
	return &types.BadRequest{Message: new(fmt.Sprintf(format, args...))}
}

// unsupported refuses the value of a parameter.
func unsupported(parameter, why string) error {
	return awserr.New(refusal, "The parameter '%s' is not supported by Skylift: %s", parameter, why)
}

func invalid(format string, args ...any) error {
	return awserr.New("ValidationException", format, args...)
}

// newID makes an id such as fs-0123456789abcdef0.
func newID(prefix string) string { return prefix + "-" + id.Hex(17) }

// local returns the id of a resource, given its id or its ARN. An ARN of another
// service, account or region names nothing that exists here, and is returned as it is.
func (a *API) local(name *string) string {
	if name == nil {
		return ""
	}
	r, err := arn.Parse(*name)
	if err != nil || r.Service != serviceName || r.Region != a.ns.Region || r.Account != a.ns.Account {
		return *name
	}
	_, resource, _ := strings.Cut(r.Resource, "/")
	return resource
}

// pages is how EFS cuts its lists
// (https://docs.aws.amazon.com/efs/latest/ug/API_DescribeFileSystems.html).
var pages = handler.Pages{
	Default: 100, Most: 100,
	BadToken: func(token string) error { return badRequest("The marker '%s' is not one that was returned.", token) },
}
