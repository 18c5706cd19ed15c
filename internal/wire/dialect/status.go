package dialect

import "net/http"

// Statuses is that of the errors which every query service has, where it is not 400. The JSON
// services answer all of them with 400.
var Statuses = map[string]int{
	"AccessDenied":                 http.StatusForbidden,
	"AccessDeniedException":        http.StatusForbidden,
	"UnknownOperationException":    http.StatusNotFound,
	"UnauthorizedOperation":        http.StatusForbidden,
	"AuthFailure":                  http.StatusUnauthorized,
	"InvalidClientTokenId":         http.StatusForbidden,
	"SignatureDoesNotMatch":        http.StatusForbidden,
	"RequestExpired":               http.StatusBadRequest,
	"MissingAuthenticationToken":   http.StatusForbidden,
	"OptInRequired":                http.StatusForbidden,
	"ServiceUnavailable":           http.StatusServiceUnavailable,
	"Unavailable":                  http.StatusServiceUnavailable,
	"InternalFailure":              http.StatusInternalServerError,
	"InternalError":                http.StatusInternalServerError,
	"RequestEntityTooLarge":        http.StatusRequestEntityTooLarge,
	"RequestLimitExceeded":         http.StatusServiceUnavailable,
	"InsufficientInstanceCapacity": http.StatusInternalServerError,
	"NotImplemented":               http.StatusNotImplemented,
	"MethodNotAllowed":             http.StatusMethodNotAllowed,
}
