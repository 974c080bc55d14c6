package iothub

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Code is an error code of Azure IoT Hub: the HTTP status, then three digits.
type Code int

// The codes the hub answers with. Those of the page common-error-codes are read, the others are from memory.
const (
	ArgumentInvalid    Code = 400004
	InvalidOperation   Code = 400003
	ConnectionReplaced Code = 400027
	UnauthorizedAccess Code = 401002
	Unauthorized       Code = 401003
	QuotaExceeded      Code = 403002
	JobQuotaExceeded   Code = 403003
	QueueDepthExceeded Code = 403004
	TooManyUploads     Code = 403006
	NotInThisTier      Code = 403010
	DeviceNotFound     Code = 404001
	JobNotFound        Code = 404002
	ModuleNotFound     Code = 404010
	DeviceNotOnline    Code = 404103
	DeviceClosed       Code = 404104
	DeviceExists       Code = 409001
	LinkConflict       Code = 409002
	JobExists          Code = 409007
	ModuleExists       Code = 409301
	PreconditionFailed Code = 412001
	MessageLockLost    Code = 412002
	MessageTooLarge    Code = 413001
	TooManyModules     Code = 413003
	Throttled          Code = 429001
	ServerError        Code = 500001
	ServiceUnavailable Code = 503001
	GatewayTimeout     Code = 504101
)

// Status is the code's HTTP status.
func (c Code) Status() int { return int(c) / 1000 }

// Name is the code's name in answers of the service API, such as "DeviceNotFound" (from memory).
func (c Code) Name() string {
	switch c {
	case ArgumentInvalid:
		return "ArgumentInvalid"
	case InvalidOperation:
		return "InvalidOperation"
	case UnauthorizedAccess:
		return "IotHubUnauthorizedAccess"
	case Unauthorized:
		return "IotHubUnauthorized"
	case QuotaExceeded:
		return "IotHubQuotaExceeded"
	case JobQuotaExceeded:
		return "JobQuotaExceeded"
	case QueueDepthExceeded:
		return "DeviceMaximumQueueDepthExceeded"
	case TooManyUploads:
		return "DeviceMaximumActiveFileUploadLimitExceeded"
	case NotInThisTier:
		return "OperationNotAllowedInCurrentState"
	case DeviceNotFound:
		return "DeviceNotFound"
	case JobNotFound:
		return "JobNotFound"
	case ModuleNotFound:
		return "ModuleNotFound"
	case DeviceNotOnline:
		return "DeviceNotOnline"
	case DeviceClosed:
		return "DeviceConnectionClosedRemotely"
	}
	return c.lateName()
}

// lateName has the names of the codes from 409 on, and of those that have none.
func (c Code) lateName() string {
	switch c {
	case DeviceExists:
		return "DeviceAlreadyExists"
	case LinkConflict:
		return "LinkCreationConflict"
	case JobExists:
		return "JobAlreadyExists"
	case ModuleExists:
		return "ModuleAlreadyExistsOnDevice"
	case PreconditionFailed:
		return "PreconditionFailed"
	case MessageLockLost:
		return "DeviceMessageLockLost"
	case MessageTooLarge:
		return "MessageTooLarge"
	case TooManyModules:
		return "TooManyModulesOnDevice"
	case Throttled:
		return "ThrottlingException"
	case ServerError:
		return "ServerError"
	case ServiceUnavailable:
		return "ServiceUnavailable"
	case GatewayTimeout:
		return "GatewayTimeout"
	}
	return "Error" + strconv.Itoa(int(c))
}

// Error is a refusal in Azure's words. Fronts put the code and the message into their protocol's answer.
type Error struct {
	Code    Code
	Message string
	// RetryAfter is when a throttled caller may come again.
	RetryAfter time.Duration
}

// Error is the code and the message.
func (e *Error) Error() string { return strconv.Itoa(int(e.Code)) + ": " + e.Message }

// Status is the HTTP status of the code.
func (e *Error) Status() int { return e.Code.Status() }

// Is makes errors.Is work with the registry's errors (ErrNotFound and so on) and with ErrTooLarge and ErrUnauthorized.
func (e *Error) Is(target error) bool { return target != nil && sentinel(e.Code) == target }

func sentinel(c Code) error {
	switch c {
	case DeviceNotFound, ModuleNotFound:
		return ErrNotFound
	case DeviceExists, ModuleExists:
		return ErrExists
	case MessageTooLarge:
		return ErrTooLarge
	case Unauthorized, UnauthorizedAccess:
		return ErrUnauthorized
	}
	return nil
}

// AsError finds the Azure error in err, or the code that says the same: any error of this package has one. An error of
// another kind is ServerError. It is nil for nil.
func AsError(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	}
	code := ServerError
	switch {
	case errors.Is(err, ErrTooLarge):
		code = MessageTooLarge
	case errors.Is(err, ErrUnauthorized), errors.Is(err, ErrDisabled):
		code = UnauthorizedAccess
	case errors.Is(err, ErrNotFound):
		code = DeviceNotFound
	case errors.Is(err, ErrExists):
		code = DeviceExists
	case errors.Is(err, ErrBadID):
		code = ArgumentInvalid
	}
	return &Error{Code: code, Message: err.Error()}
}

func refusal(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
