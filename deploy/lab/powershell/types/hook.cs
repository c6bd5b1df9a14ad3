// .NET calls this before the engine's Main. So the types exist for the first line of any script, and
// the engine's arguments stay unchanged.
using System;
using System.Reflection;

internal class StartupHook
{
    public static void Initialize()
    {
        // Programs that a script starts must not load the hook.
        Environment.SetEnvironmentVariable("DOTNET_STARTUP_HOOKS", null);
        AppDomain.CurrentDomain.AssemblyResolve += Resolve;
    }

    // Scripts also name assemblies by version and key, and WSUS spreads these types over two.
    static Assembly Resolve(object sender, ResolveEventArgs request)
    {
        string name = new AssemblyName(request.Name).Name;
        bool isOurs = name == "Microsoft.UpdateServices.Administration"
            || name == "Microsoft.UpdateServices.BaseApi";
        return isOurs ? typeof(StartupHook).Assembly : null;
    }
}
