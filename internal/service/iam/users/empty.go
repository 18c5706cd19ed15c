package users

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// emptyOperations list what nobody can have here: what makes such things is refused. Tools that remove a user
// look for them.
func (a *Users) emptyOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("ListMFADevices", a.ListMFADevices).OnFound(oneself, a.found).Takes("Marker MaxItems UserName"),
		wire.Op("ListSSHPublicKeys", a.ListSSHPublicKeys).OnFound(oneself, a.found).Takes("Marker MaxItems UserName"),
		wire.Op("ListServiceSpecificCredentials", a.ListServiceSpecificCredentials).OnFound(oneself, a.found).Takes("AllUsers Marker MaxItems ServiceName UserName"),
		wire.Op("ListSigningCertificates", a.ListSigningCertificates).OnFound(oneself, a.found).Takes("Marker MaxItems UserName"),
		wire.Op("ListVirtualMFADevices", a.ListVirtualMFADevices).Takes("AssignmentStatus Marker MaxItems"),
	}
}

// there fails when a request names a user that isn't there.
func (a *Users) there(ctx context.Context, name *string) error {
	if name == nil || *name == "" {
		return nil
	}
	_, err := handler.View(ctx, a.DB, func(tx store.Tx) (record.User, error) { return record.AsUser.Get(tx, *name) })
	return err
}

// ListMFADevices lists none.
func (a *Users) ListMFADevices(ctx context.Context, in *iam.ListMFADevicesInput) (*iam.ListMFADevicesOutput, error) {
	return &iam.ListMFADevicesOutput{MFADevices: []types.MFADevice{}}, a.there(ctx, in.UserName)
}

// ListVirtualMFADevices lists none.
func (a *Users) ListVirtualMFADevices(context.Context, *iam.ListVirtualMFADevicesInput) (*iam.ListVirtualMFADevicesOutput, error) {
	return &iam.ListVirtualMFADevicesOutput{VirtualMFADevices: []types.VirtualMFADevice{}}, nil
}

// ListSSHPublicKeys lists none.
func (a *Users) ListSSHPublicKeys(ctx context.Context, in *iam.ListSSHPublicKeysInput) (*iam.ListSSHPublicKeysOutput, error) {
	return &iam.ListSSHPublicKeysOutput{SSHPublicKeys: []types.SSHPublicKeyMetadata{}}, a.there(ctx, in.UserName)
}

// ListServiceSpecificCredentials lists none.
func (a *Users) ListServiceSpecificCredentials(ctx context.Context, in *iam.ListServiceSpecificCredentialsInput) (*iam.ListServiceSpecificCredentialsOutput, error) {
	return &iam.ListServiceSpecificCredentialsOutput{ServiceSpecificCredentials: []types.ServiceSpecificCredentialMetadata{}}, a.there(ctx, in.UserName)
}

// ListSigningCertificates lists none.
func (a *Users) ListSigningCertificates(ctx context.Context, in *iam.ListSigningCertificatesInput) (*iam.ListSigningCertificatesOutput, error) {
	return &iam.ListSigningCertificatesOutput{Certificates: []types.SigningCertificate{}}, a.there(ctx, in.UserName)
}
