import Glibc

/// The netanomalyd that belongs to this netanomalyctl.
public enum DaemonProgram {
    private static let name = "netanomalyd"
    private static let installedFolder = "/usr/sbin"

    /// Turns this process into netanomalyd; returns only if that is not possible, with the reason.
    public static func become(_ arguments: [String]) -> ControlFailure {
        let searchPath = getenv("PATH").map { String(cString: $0) } ?? ""
        guard let path = find(besideProgram: ownPath, searchPath: searchPath) else {
            return ControlFailure(
                "Cannot find \(name): it is neither beside netanomalyctl nor in \(installedFolder) or PATH")
        }
        execv(path, ([path] + arguments).map { strdup($0) } + [nil])
        let failure = errno
        return ControlFailure(
            "Cannot run \(path): \(String(cString: strerror(failure)))", isPermission: failure == EACCES)
    }

    /// Where it is: beside this program, where packages put it, or where the shell would find it.
    static func find(besideProgram program: String?, searchPath: String) -> String? {
        let beside = program?.lastIndex(of: "/").flatMap { slash in program.map { String($0[..<slash]) } }
        let folders = [beside, installedFolder].compactMap { $0 } + searchPath.split(separator: ":").map(String.init)
        return folders.map { $0 + "/" + name }.first { access($0, X_OK) == 0 }
    }

    private static var ownPath: String? {
        guard let path = realpath("/proc/self/exe", nil) else { return nil }
        defer { free(path) }
        return String(cString: path)
    }
}
