import Glibc
import TracingBackends

/// Why there can be no self-test at all.
struct SelfTestFailure: Error, CustomStringConvertible {
    let description: String
    /// Another user would succeed: exit status 77.
    let isPermission: Bool

    /// Reads errno: make it right after the call.
    init(_ what: String) {
        let code = errno
        description = "\(what): \(errorText(code))"
        isPermission = code == EPERM || code == EACCES
    }

    init(_ problem: BackendError) {
        description = problem.description
        isPermission = problem.isPermission
    }
}

/// The system's words for an errno value.
func errorText(_ code: CInt) -> String { String(cString: strerror(code)) }
